"""What the DirectRunner logs, told once."""

from __future__ import annotations

import contextlib
import logging
import traceback
from collections.abc import Iterator

from models.errors import ModelsClosed, NoModelAnswers
from transforms.pubsub.errors import PublishingStopped
from transforms.sinks import SinkFailed

_LOGGERS = ("apache_beam.runners.direct.executor", "apache_beam.runners.common")


@contextlib.contextmanager
def tracebacks_told_once() -> Iterator[None]:
    """Within it the DirectRunner logs each traceback once."""
    told_once = TellOnce()
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(told_once)
    try:
        yield
    finally:
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(told_once)


class TellOnce(logging.Filter):
    """Lets a traceback of the DirectRunner through once, and none that the end of the run will explain in one line.

    That runner tries each failing bundle four times at once, and logs the traceback of each try.
    """

    def __init__(self) -> None:
        super().__init__()
        self._told: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if text.startswith(("Giving up after", "A task failed with exception")):
            return False
        if record.exc_info:
            text = "".join(traceback.format_exception(*record.exc_info))
        elif "due to an exception." not in text:
            return True
        told = text.strip().splitlines()[-1].partition(" [while running")[0]
        if told in self._told or any(f"{kind.__module__}.{kind.__name__}" in told for kind in _EXPLAINED):
            return False
        self._told.add(told)
        return True


_EXPLAINED = (SinkFailed, PublishingStopped, ModelsClosed, NoModelAnswers)
