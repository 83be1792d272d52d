"""The page's figures: a stroke's answer, a correction's model, and many pages at once."""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import cycle

from playwright.sync_api import Browser

from benchmarks.studio.chromium import chromium
from benchmarks.studio.hand import Handwriting
from benchmarks.studio.many_pages import draw_together
from benchmarks.studio.memory import MemoryOverTime, watched_memory
from benchmarks.studio.misreading import misread
from benchmarks.studio.running import RunningStudio
from benchmarks.studio.stroke_times import listen, stroke_milliseconds
from benchmarks.studio.studio_page import StudioPage

_ONE_STROKE = [
    Handwriting(0),
    Handwriting(1),
    Handwriting(2, "looped"),
    Handwriting(3),
    Handwriting(5, "one stroke"),
    Handwriting(6),
    Handwriting(8),
]
_WARM = 10
_CORRECTIONS = 9
_REAL_PAGES = 2

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Learning:
    """One correction that a model learns from.

    Attributes:
        seconds: from the tap on the right digit until a drawing is answered by the new model.
        was: what the drawing was taken for before.
        meant: what it is.
        now: what the new model takes it for.
    """

    seconds: float
    was: int
    meant: int
    now: int


@dataclass(slots=True)
class Crowd:
    """Many pages that draw once a second each.

    Attributes:
        pages: of clients without a window.
        seconds: for how long.
        milliseconds: of each drawing of theirs, from its sending to its answer.
        shown: of each drawing of the real pages, from the stroke's end until the answer stood there.
        lost: what became of drawings without an answer.
        memory: over that time.
    """

    pages: int
    seconds: float
    memory: MemoryOverTime
    milliseconds: list[float] = field(default_factory=list)
    shown: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def quantile(values: list[float], hundredths: int) -> float:
    """Of at least two values."""
    return statistics.quantiles(values, n=100, method="inclusive")[hundredths - 1]


def measure_strokes(browser: Browser, studio: RunningStudio, drawings: int) -> list[float]:
    """Milliseconds from the end of each stroke until the answer stands on the page."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        listen(context)
        page = StudioPage(context.new_page(), studio.address)
        page.open()
        for number, writing in zip(range(_WARM + drawings), cycle(_ONE_STROKE), strict=False):
            page.draw(writing.strokes(number))
        return stroke_milliseconds(page.page, _WARM + drawings)[_WARM:]


def measure_learning(browser: Browser, studio: RunningStudio) -> Learning:
    """Corrects what is misread, retrains at once, and draws until a new model answers.

    Raises:
        RuntimeError: no new model was published.
    """
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = StudioPage(context.new_page(), studio.address)
        page.open()
        writing, wrong = misread(page)
        for seed in range(1, _CORRECTIONS):
            page.draw(writing.strokes(seed))
            page.correct(writing.digit)
        page.draw(writing.strokes(0))
        began = time.monotonic()
        page.correct(writing.digit)
        page.part("retrain").click()
        page.until("retraining", "running")
        while (answer := page.draw(writing.strokes(0))).model_id == wrong.model_id:
            if (state := page.part("retraining").inner_text()) in ("refused", "failed"):
                raise RuntimeError(f"the retraining was {state}: {page.part('retraining-line').inner_text()}")
        return Learning(time.monotonic() - began, wrong.digit, writing.digit, answer.digit)


def measure_crowd(studio: RunningStudio, pages: int, seconds: float) -> Crowd:
    """Has so many pages draw, two of them real."""
    with watched_memory(studio) as memory:
        crowd = Crowd(pages - _REAL_PAGES, seconds, memory)
        real = threading.Thread(target=_draw_really, args=(studio, seconds, crowd))
        real.start()
        clients = asyncio.run(draw_together(studio.address, crowd.pages, seconds))
        real.join()
    for client in clients:
        crowd.milliseconds += [1000 * each for each in client.seconds]
        crowd.lost += client.lost if client.events else [*client.lost, "a page heard no events"]
    return crowd


def _draw_really(studio: RunningStudio, seconds: float, crowd: Crowd) -> None:
    with chromium() as browser, browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        listen(context)
        pages = [StudioPage(context.new_page(), studio.address) for _ in range(_REAL_PAGES)]
        for page in pages:
            page.open()
        drawn, until = 0, time.monotonic() + seconds
        while (began := time.monotonic()) < until:
            for page in pages:
                page.draw(_ONE_STROKE[drawn % len(_ONE_STROKE)].strokes(drawn))
                drawn += 1
            pages[0].page.wait_for_timeout(max(0.0, 1000 * (began + 1 - time.monotonic())))
        crowd.shown = [each for page in pages for each in stroke_milliseconds(page.page, drawn // len(pages))]
