"""`python -m benchmarks.studio.picture`: pictures of a real studio that is drawn on, corrected and retrained."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from playwright.sync_api import Browser, ViewportSize
from rich.console import Console

from benchmarks.studio.chromium import chromium
from benchmarks.studio.film import Film, finely
from benchmarks.studio.hand import Handwriting, Stroke, encoded
from benchmarks.studio.many_pages import draw_together
from benchmarks.studio.misreading import misread
from benchmarks.studio.other_images import ask_for
from benchmarks.studio.running import RunningStudio
from benchmarks.studio.studio_page import StudioPage
from launch.command_line import CommandFailed, run

_WINDOW: ViewportSize = {"width": 1280, "height": 780}
_FILM_WIDTH = 880
_CORRECTIONS = 9
_SEEDS = 6
_FILM_BYTES = 2_000_000
_CROWD, _CROWD_SECONDS = 6, 60.0
_RETRAINING_SECONDS = 180.0

app = typer.Typer(add_completion=False)


def film_the_loop(browser: Browser, studio: RunningStudio, path: Path) -> int:
    """A digit is drawn, misread, corrected and learnt while the page is open; returns the film's size in bytes.

    Raises:
        CommandFailed: nothing is misread, or no model that learnt it was published.
    """
    with browser.new_context(viewport=_WINDOW, color_scheme="light") as context:
        page = StudioPage(context.new_page(), studio.address)
        page.open()
        writing, seed = _surely_misread(page)
        strokes = finely(writing.strokes(seed))
        page.page.reload()
        page.open()
        film = Film(page.page, _FILM_WIDTH)
        film.show(800)
        if _drawn(film, page, strokes, 1800) == writing.digit:
            raise CommandFailed("what was misread a moment ago is not any more")
        film.tap(f"correct-{writing.digit}", 700)
        page.page.wait_for_timeout(500)
        film.show(1000)
        for other in range(1, _CORRECTIONS):
            page.draw(writing.strokes(seed + other))
            film.show(180)
            page.correct(writing.digit)
            film.show(180)
        film.tap("retrain", 700)
        _until_published(film, page)
        film.show(1800)
        film.tap("clear", 200)
        if _drawn(film, page, strokes, 3000) != writing.digit:
            raise CommandFailed("the new model misreads it too")
        return film.save(path)


def _surely_misread(page: StudioPage) -> tuple[Handwriting, int]:
    """A way of writing that is misread, and that seed of it of whose misreading the model is most sure."""
    writing, _ = misread(page)
    sure = {}
    for seed in range(_SEEDS):
        if page.draw(finely(writing.strokes(seed))).digit != writing.digit:
            sure[seed] = float(page.page.locator("#sure").inner_text().split()[0])
    if not sure:
        raise CommandFailed("what was misread a moment ago is not any more")
    return writing, max(sure, key=sure.__getitem__)


def _drawn(film: Film, page: StudioPage, strokes: Sequence[Stroke], milliseconds: int) -> int:
    film.draw(strokes, 40)
    answer = page.page.locator("[data-testid=answer]:not(:empty)")
    answer.wait_for()
    page.page.wait_for_timeout(800)
    film.show(milliseconds)
    return int(answer.inner_text())


def _until_published(film: Film, page: StudioPage) -> None:
    swaps, deadline = page.number("swaps"), time.monotonic() + _RETRAINING_SECONDS
    while page.number("swaps") == swaps:
        state = page.part("retraining").inner_text()
        if state in ("refused", "failed") or time.monotonic() > deadline:
            raise CommandFailed(f"the retraining is {state}: {page.part('retraining-line').inner_text()}")
        film.show(90)
        page.page.wait_for_timeout(400)
    page.page.wait_for_timeout(500)


def take_pictures(browser: Browser, studio: RunningStudio, folder: Path) -> None:
    """`studio.png` and its twin in the dark, and the other two views."""
    schemes: tuple[tuple[Literal["light", "dark"], str], ...] = (("light", ""), ("dark", "-dark"))
    for scheme, ending in schemes:
        with browser.new_context(viewport=_WINDOW, color_scheme=scheme, device_scale_factor=1.5) as context:
            page = StudioPage(context.new_page(), studio.address)
            page.open()
            page.draw(Handwriting(8).strokes(3))
            page.page.wait_for_timeout(800)
            page.page.screenshot(path=folder / f"studio{ending}.png")
            for view in ("models", "stream") if scheme == "light" else ():
                page.open(view)
                page.page.wait_for_timeout(2000)
                page.page.screenshot(path=folder / f"studio-{view}.png")


@app.command()
def picture(
    folder: Annotated[Path, typer.Option(help="Where the pictures are written.")] = Path("docs/pictures"),
) -> int:
    """Writes pictures of the page and a short film of the whole loop."""
    say = Console(stderr=True, highlight=False).print
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hotswap-picture-") as scratch:
        place = Path(scratch) / "studio"
        with RunningStudio(place) as studio:
            say("a studio trains its first model")
            studio.start()
            (place / "models" / "damaged.keras").write_bytes(b"half a model")
            with chromium() as browser:
                say("the film: drawn, misread, corrected, retrained, read right")
                size = film_the_loop(browser, studio, folder / "studio.gif")
            say("some others draw too, and ask for images that are none")
            whole = encoded(Handwriting(3).strokes(1), 140)
            ask_for(studio, {"torn.png": whole[: len(whole) // 2], "notes.txt": b"no image", "empty.png": b""})
            asyncio.run(draw_together(studio.address, _CROWD, _CROWD_SECONDS))
            with chromium() as browser:
                say("the pictures")
                take_pictures(browser, studio, folder)
    say(f"{folder}/studio.gif has {size:,} bytes")
    if size > _FILM_BYTES:
        raise CommandFailed(f"that is more than {_FILM_BYTES:,}: make the film smaller")
    return 0


if __name__ == "__main__":
    sys.exit(run(app))
