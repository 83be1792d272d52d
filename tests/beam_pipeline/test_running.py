"""The books of a run, how it is told to stop, and what it tells of its failures."""

from __future__ import annotations

import logging
import os
import signal
from collections import Counter

import pytest

from beam_pipeline.running import Books, TellOnce, books_of, details_of, stop_requests
from transforms.sinks import SinkFailed

COUNTS = Counter(
    {
        "messages_in": 10,
        "results_out": 7,
        "results_written": 6,
        "results_by_model_a.h5@sha256:1": 7,
        "dead_letters_read_not_found": 2,
        "dead_letters_written": 2,
        "notifications_skipped": 1,
    }
)


def test_a_result_counts_once_it_is_written() -> None:
    assert books_of(COUNTS) == Books(messages_in=10, results=6, dead_letters=2, skipped=1)
    assert books_of(COUNTS).open == 1


def test_books_that_do_not_balance_say_so() -> None:
    assert str(Books(5, 3, 1, 1)) == "5 in = 3 results + 1 dead letters + 1 skipped"
    assert str(Books(5, 3, 1, 0)) == "5 in = 3 results + 1 dead letters + 0 skipped + 1 UNFINISHED"


def test_the_details_name_models_and_errors() -> None:
    assert details_of(COUNTS) == {"answered by": "7 a.h5@sha256:1", "dead letters": "2 read_not_found"}
    assert details_of(Counter()) == {}


def test_the_first_signal_asks_and_the_second_interrupts() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), stop_requests() as stop_requested:
        assert not stop_requested()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop_requested()
        os.kill(os.getpid(), signal.SIGINT)

    assert signal.getsignal(signal.SIGTERM) is before


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
