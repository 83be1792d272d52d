"""What the DirectRunner logs of an error reaches a person once."""

from __future__ import annotations

import logging

import pytest

from beam_pipeline.telling import TellOnce, tracebacks_told_once
from transforms.sinks import SinkFailed


def told(*errors: Exception) -> list[str]:
    """What comes through of the DirectRunner's log when these errors end bundles."""
    told_once, through = TellOnce(), []
    for error in errors:
        trace = (
            f"Traceback (most recent call last):\n  somewhere\n{type(error).__module__}.{type(error).__name__}: {error}"
        )
        texts = [
            (logging.ERROR, "Exception at bundle %r, due to an exception.\n %s", ("bundle", trace)),
            (logging.ERROR, "Giving up after %s attempts.", (4,)),
            (logging.WARNING, "A task failed with exception: %s", (error,)),
        ]
        for level, text, arguments in texts:
            record = logging.LogRecord("executor", level, "", 0, text, arguments, None)
            if told_once.filter(record):
                through.append(record.getMessage())
    return through


def test_an_unexpected_error_is_told_once_however_often_it_is_tried() -> None:
    assert len(told(ValueError("a"), ValueError("a"), ValueError("b"))) == 2


def test_what_the_end_of_the_run_explains_is_not_told_before() -> None:
    assert told(SinkFailed("the disk is full")) == []


def test_other_lines_come_through() -> None:
    assert TellOnce().filter(logging.LogRecord("executor", logging.WARNING, "", 0, "hello", (), None))


def test_a_later_run_tells_its_errors_too(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        with tracebacks_told_once():
            for _ in range(3):
                logging.getLogger("apache_beam.runners.common").error("at bundle, due to an exception.\n ValueError: a")
    assert len(caplog.records) == 2
