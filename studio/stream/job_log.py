"""What the job writes: kept in a file of bounded size, and the worst of it told."""

from __future__ import annotations

import logging
import logging.handlers
import re
import threading
import time
from pathlib import Path
from typing import IO

from models.errors import one_line
from models.printable import printable
from models.troubles import Troubles

MAX_BYTES = 2 << 20
"""Of the file; what was before is kept once more, in `stream.log.1`."""

_LONGEST_LINE = 8192
_TROUBLE = "stream_log"
_FRESH_SECONDS = 60.0
_LEVEL = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ (?P<level>[A-Z]+) (?P<text>.*)$")
_WORRYING = ("WARNING", "ERROR", "CRITICAL")
_OF_NO_NOTE = ("Resource module is not available",)
"""Warnings of libraries that nobody can do anything about."""


class JobLog:
    """Takes the lines of one job after another.

    Args:
        path: of the file, made where it is missing.
        troubles: are told the last warning or error, for a minute.
    """

    def __init__(self, path: Path, troubles: Troubles) -> None:
        self._troubles = troubles
        self._file = _BoundedFile(path, maxBytes=MAX_BYTES, backupCount=1, encoding="utf-8", delay=True)
        self._lock = threading.Lock()
        self._warned_at: float | None = None
        self._last_line = ""
        self._error = ""

    @property
    def last_line(self) -> str:
        """What was said last, without time and level."""
        return self._last_line

    @property
    def error(self) -> str:
        """The last that was called an error since the job began; "" where nothing was."""
        return self._error

    def follow(self, output: IO[bytes]) -> threading.Thread:
        """Takes whatever a job writes until it ends; the thread that does so."""
        self._error = self._last_line = ""
        thread = threading.Thread(target=self._read, args=(output,), name="the job's log", daemon=True)
        thread.start()
        return thread

    def forget_old(self) -> None:
        """Ends the trouble of a warning that was not said for a minute."""
        with self._lock:
            if self._warned_at is None or time.monotonic() - self._warned_at < _FRESH_SECONDS:
                return
            self._warned_at = None
        self._troubles.end(_TROUBLE)

    def forget(self) -> None:
        """Ends it at once: a model has just gone live, and what was said before that is over."""
        with self._lock:
            self._warned_at = None
        self._troubles.end(_TROUBLE)

    def close(self) -> None:
        """Closes the file, and tells no more."""
        self._file.close()
        self._troubles.end(_TROUBLE)

    def _read(self, output: IO[bytes]) -> None:
        with output:
            while line := output.readline(_LONGEST_LINE):
                self._take(printable(line.decode("utf-8", "replace").rstrip()))

    def _take(self, line: str) -> None:
        if not line:
            return
        self._file.emit(logging.makeLogRecord({"msg": line}))
        found = _LEVEL.match(line)
        level, text = (found["level"], found["text"]) if found else ("", line)
        self._last_line = one_line(text)
        if level == "" and text.startswith("error: "):
            level, text = "ERROR", text.removeprefix("error: ")
        if level in _WORRYING and not text.startswith(_OF_NO_NOTE):
            if level != "WARNING":
                self._error = one_line(text)
            with self._lock:
                self._warned_at = time.monotonic()
            self._troubles.begin(_TROUBLE, f"the stream says: {one_line(text)}")


class _BoundedFile(logging.handlers.RotatingFileHandler):
    """A full disk costs lines of the log, and nothing else."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - its name in `logging`
        pass
