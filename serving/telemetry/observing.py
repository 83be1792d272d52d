"""Tells of requests once they are over, out of the way of those that are not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from models.printable import logger
from serving.metrics import LINES, SPANS
from serving.telemetry.call import Call
from serving.telemetry.request_log import RequestLog

if TYPE_CHECKING:
    from serving.telemetry.tracing import Tracing

_LOGGER = logger(__name__)

LONGEST_QUEUE = 16_384
"""Requests that may wait to be told of."""
_AT_ONCE = 512
_LAST_SECONDS = 5.0
Lost = Callable[[str, int], object]
"""Is told of what (`LINES`, `SPANS`) how many are lost, from any thread."""


class ObservingRefused(ValueError):  # noqa: N818 - named for what it says
    """Settings that tell nobody; the text is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Observing:
    """What is told of each request.

    Attributes:
        access_log: where lines go: a file, or `-` for standard output; None for nowhere.
        collector: of traces, `http://HOST:PORT`, or `https://…`; None for none.
        share: of requests that are traced whose client does not decide, 0 to 1.
    """

    access_log: str | None = None
    collector: str | None = None
    share: float = 1.0

    def begin(self, lost: Lost) -> Observer | None:
        """Who tells it; None where nothing is to be told.

        Raises:
            ObservingRefused: it cannot be told so.
        """
        if self.access_log is None and self.collector is None:
            return None
        self.require_possible()
        log = None
        if self.access_log is not None:
            log = RequestLog(None if self.access_log == "-" else Path(self.access_log))
        tracing = None
        if self.collector is not None:
            from serving.telemetry.tracing import Tracing

            tracing = Tracing(self.collector, self.share, lambda count: lost(SPANS, count))
        return Observer(log, tracing, lost)

    def require_possible(self) -> None:
        """Does nothing where all of that can be told.

        Raises:
            ObservingRefused: it cannot.
        """
        if self.access_log not in (None, "-"):
            try:
                RequestLog(Path(self.access_log))
            except OSError as error:
                raise ObservingRefused(
                    f"the access log {self.access_log} cannot be written: {error.strerror}"
                ) from error
        if self.collector is not None:
            _require_endpoint(self.collector)


class Observer:
    """Takes requests that are over, and tells of them from a thread of its own.

    Args:
        log: has lines of them; None for none.
        tracing: has spans of them; None for none.
        lost: is told of lines that are lost.
    """

    def __init__(self, log: RequestLog | None, tracing: Tracing | None, lost: Lost) -> None:
        self._log = log
        self._tracing = tracing
        self._lost = lost
        self._waiting: SimpleQueue[Call | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
        self._thread.start()

    def over(self, call: Call, status: str | int) -> None:
        """A request is over. Never waits: what nobody has time to tell is counted."""
        call.seconds = time.monotonic() - call.began
        call.status = status
        if call.is_probe and status in ("OK", 200):
            return
        if self._waiting.qsize() >= LONGEST_QUEUE:
            self._lost(LINES, 1) if self._log is not None else None
            self._lost(SPANS, 1) if self._tracing is not None else None
            return
        self._waiting.put(call)

    def close(self) -> None:
        """Tells what is left, for as long as that takes little. Not on the event loop."""
        self._waiting.put(None)
        self._thread.join(_LAST_SECONDS)
        if self._tracing is not None:
            self._tracing.close()

    def _run(self) -> None:
        while calls := self._next():
            try:
                self._tell([call for call in calls if call is not None])
            except Exception:
                _LOGGER.exception("telling of requests goes on after an unexpected error")
            if calls[-1] is None:
                return

    def _next(self) -> list[Call | None]:
        """Those that wait, at least one; None is the last."""
        calls = [self._waiting.get()]
        with suppress(Empty):
            while calls[-1] is not None and len(calls) < _AT_ONCE:
                calls.append(self._waiting.get_nowait())
        return calls

    def _tell(self, calls: list[Call]) -> None:
        if self._tracing is not None:
            for call in calls:
                self._tracing.tell(call)
        if self._log is not None and calls and (lost := self._log.write(calls)):
            self._lost(LINES, lost)


def _require_endpoint(text: str) -> None:
    try:
        url = urlsplit(text)
        is_whole = url.scheme in ("http", "https") and bool(url.hostname) and url.port is not None
    except ValueError:
        is_whole = False
    if not is_whole or url.path not in ("", "/") or url.query or url.username is not None:
        raise ObservingRefused(f"--trace-endpoint {text!r} is no collector: http://HOST:PORT, or https://HOST:PORT")
