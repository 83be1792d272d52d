"""The drawings of all browsers: each framed, saved, asked of the stream, and kept until it is old."""

from __future__ import annotations

import asyncio
import contextlib
import math
import sys
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from models.errors import one_line
from studio.drawing.files import DrawingFiles
from studio.drawing.framing import cost, encoded, framed
from studio.drawing.rates import Rate, Rates
from studio.errors import StudioRefused, Trouble
from studio.places import Places

PURPOSE = "answer"
"""What the stream is told that a drawing is asked for, as the attribute `purpose` of its message."""

# Fifty pages of one browser may draw once a second each.
EACH = Rate(sustained=60, burst=120)
TOGETHER = Rate(sustained=150, burst=300)
_WAITED_SECONDS = 10.0
"""For which somebody looks at a drawing without an answer."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawing and its answer.

    Attributes:
        id: 32 hexadecimal digits.
        png: the drawing as the stream reads it, 28x28 and grey.
        state: `failed` where there will be no answer.
        label: the answer; "" without one.
        score: 0 to 1; 0 without an answer.
        scores: labels and their scores, best first: those that the stream tells, five at most.
        model_id: of the exact bytes that answered; of a failure, those that did not, or "".
        model_name: the card's name, or that of the file.
        message_id: of the question that was answered; "" without an answer.
        milliseconds: from the drawing's arrival to its answer's.
        error: of a failure, its stable word (`models.errors.ImageFault`); `other_task`: the live model names no class;
            or `no_answer`: the stream never said anything.
        detail: of a failure, one line for a person.
    """

    id: str
    png: bytes
    state: Literal["pending", "answered", "failed"] = "pending"
    label: str = ""
    score: float = 0.0
    scores: tuple[tuple[str, float], ...] = ()
    model_id: str = ""
    model_name: str = ""
    message_id: str = ""
    milliseconds: float = 0.0
    error: str = ""
    detail: str = ""


@dataclass(slots=True, eq=False)
class _Waiter:
    loop: asyncio.AbstractEventLoop
    woken: asyncio.Future[None]

    def wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            self.loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        if not self.woken.done():
            self.woken.set_result(None)


@dataclass(slots=True)
class _Kept:
    browser: str
    drawing: Drawing
    begun: float
    waiters: tuple[_Waiter, ...] = ()
    is_labelled: bool = False


class Drawings:
    """What browsers drew; no browser sees another's. Safe to use from any thread."""

    def __init__(
        self,
        places: Places,
        ask: Callable[[Path, Mapping[str, str]], None],
        most: int = 5_000,
        most_of_one: int = 2_500,
        each: Rate = EACH,
        together: Rate = TOGETHER,
        waiting: Callable[[], Container[str]] = frozenset,
    ) -> None:
        """Takes what it needs; nothing is read or written yet.

        Args:
            places: where drawings are saved.
            ask: has the stream answer for an image, with the attributes that its result is to bear; raises
                `StudioRefused` where there is no stream.
            most: drawings that are kept in memory; beyond them the oldest are forgotten.
            most_of_one: the same, of one browser.
            each: how often one browser may draw.
            together: how often all may.
            waiting: the paths of the images that the stream has not answered yet; their files stay, also where the
                drawing is forgotten here.
        """
        self._ask = ask
        self._waiting = waiting
        self._most = most
        self._most_of_one = most_of_one
        self._files = DrawingFiles(places.drawings)
        self._rates = Rates(each, together)
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._of_browsers: dict[str, OrderedDict[str, None]] = {}
        self._pending: dict[str, float] = {}

    @property
    def somebody_waits(self) -> bool:
        """Whether a drawing of the last seconds has no answer yet."""
        with self._lock:
            newest = next(reversed(self._pending.values()), -math.inf)
        return time.monotonic() - newest < _WAITED_SECONDS

    def begin(self, browser: str, png: bytes) -> str:
        """Takes a drawing and asks the stream for its answer; the id by which it is found.

        Args:
            browser: whose it is.
            png: the canvas, white on black; any bytes.

        Raises:
            StudioRefused: `TOO_OFTEN`, `TOO_LARGE`, `BAD_DRAWING`, `DISK_FULL`, `NOT_POSSIBLE` or, by `ask`,
                `STREAM_UNAVAILABLE`; nothing is kept then.
        """
        begun = time.monotonic()
        if not self._rates.let(browser, cost(png)):
            raise StudioRefused(Trouble.TOO_OFTEN, "too many drawings at once; wait a second, then draw on")
        framed_png = encoded(framed(png))
        drawing = Drawing(uuid.uuid4().hex, framed_png)
        path = self._files.save(drawing.id, framed_png)
        # Before it is asked for: the answer may come before `ask` returns.
        self._keep(_Kept(browser, drawing, begun))
        try:
            self._ask(path, {"drawing": drawing.id, "purpose": PURPOSE})
        except BaseException:
            with self._lock:
                self._forget(drawing.id)
            self._files.remove(drawing.id)
            raise
        self._files.prune_at_times(self._waiting)
        return drawing.id

    def save_again(self, png: bytes) -> Path:
        """A drawing of long ago, as a file that the stream may be asked for; it goes like all others.

        Args:
            png: as it was framed then.

        Raises:
            StudioRefused: `DISK_FULL` or `NOT_POSSIBLE`.
        """
        path = self._files.save(uuid.uuid4().hex, png)
        self._files.prune_at_times(self._waiting)
        return path

    def answered(self, record: Mapping[str, Any]) -> None:
        """Takes a result of the stream; one on a drawing that is not known, or has its answer, changes nothing.

        Args:
            record: as `models.records.result_record` makes it, with the attributes that `ask` was given.
        """
        model = {"model_id": _model_id(record), "model_name": _text(record.get("model_name"))}
        if "label" in record:
            scores = tuple((_text(each.get("label")), _share(each.get("score"))) for each in record.get("top", ()))
            answer = {"label": _text(record["label"]), "score": _share(record.get("score")), "scores": scores}
            asked = {"message_id": _text(record.get("message_id"))}
            self._settle(record, {"state": "answered"} | model | answer | asked)
            return
        detail = "the live model does not say which digit it is; publish one that does, or roll back"
        self._settle(record, {"state": "failed", "error": "other_task", "detail": detail} | model)

    def failed(self, record: Mapping[str, Any]) -> None:
        """Takes a dead letter of the stream, as `answered` takes a result.

        Args:
            record: as `models.records.DeadLetter.to_json` makes it.
        """
        told = {name: _text(record.get(name)) for name in ("error", "detail")}
        self._settle(record, {"state": "failed", "model_id": _model_id(record)} | told)

    def find(self, browser: str, drawing: str) -> Drawing:
        """A browser's own drawing, as it is now.

        Raises:
            StudioRefused: `NOT_FOUND`: there is none, it is forgotten, or it is another's.
        """
        with self._lock:
            return self._find(browser, drawing).drawing

    def take_unlabelled(self, browser: str, drawing: str) -> Drawing | None:
        """A browser's own drawing, once: what it shows in truth is known from now on. None without an answer, or later.

        Raises:
            StudioRefused: `NOT_FOUND`, as of `find`.
        """
        with self._lock:
            kept = self._find(browser, drawing)
            if kept.is_labelled or kept.drawing.state != "answered":
                return None
            kept.is_labelled = True
            return kept.drawing

    async def answer(self, browser: str, drawing: str, seconds: float) -> Drawing:
        """A browser's own drawing once it has its answer, or has failed; as it is then, where that takes too long.

        Args:
            browser: whose it is.
            drawing: its id.
            seconds: how long to wait.

        Raises:
            StudioRefused: `NOT_FOUND`.
        """
        loop = asyncio.get_running_loop()
        waiter = _Waiter(loop, loop.create_future())
        with self._lock:
            kept = self._find(browser, drawing)
            if kept.drawing.state != "pending":
                return kept.drawing
            kept.waiters += (waiter,)
        try:
            await asyncio.wait({waiter.woken}, timeout=seconds)
        finally:
            with self._lock:
                kept.waiters = tuple(each for each in kept.waiters if each is not waiter)
        return self.find(browser, drawing)

    def _find(self, browser: str, drawing: str) -> _Kept:
        kept = self._kept.get(drawing)
        if kept is None or kept.browser != browser:
            raise StudioRefused(Trouble.NOT_FOUND, "this drawing is not known any more; draw again")
        return kept

    def _keep(self, kept: _Kept) -> None:
        with self._lock:
            self._kept[kept.drawing.id] = kept
            of_browser = self._of_browsers.setdefault(kept.browser, OrderedDict())
            of_browser[kept.drawing.id] = None
            self._pending[kept.drawing.id] = kept.begun
            if len(of_browser) > self._most_of_one:
                self._forget(next(iter(of_browser)))
            if len(self._kept) > self._most:
                self._forget(next(iter(self._kept)))

    def _forget(self, drawing: str) -> None:
        kept = self._kept.pop(drawing, None)
        if kept is None:
            return
        self._pending.pop(drawing, None)
        of_browser = self._of_browsers[kept.browser]
        del of_browser[drawing]
        if not of_browser:
            del self._of_browsers[kept.browser]
        for waiter in kept.waiters:
            waiter.wake()

    def _settle(self, record: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
        arrived = time.monotonic()
        drawing = record.get("attributes", {}).get("drawing", "")
        with self._lock:
            kept = self._kept.get(drawing)
            if kept is None or kept.drawing.state != "pending":
                return
            milliseconds = 1000 * (arrived - kept.begun)
            kept.drawing = replace(kept.drawing, milliseconds=milliseconds, **changes)
            del self._pending[drawing]
            for waiter in kept.waiters:
                waiter.wake()


def _model_id(record: Mapping[str, Any]) -> str:
    """Of a few models, and long: kept once, however many drawings have it."""
    return sys.intern(str(record.get("model_id", "")))


def _text(value: object) -> str:
    """What a model's card or a stranger's file says, as one line of bounded length; "" where it says nothing."""
    return one_line(value) if value else ""


def _share(value: object) -> float:
    """A score as JSON can tell it: 0 where it is no number."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0
