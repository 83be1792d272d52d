"""What the page says where something is not as a person would expect, and what it does about it by itself."""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from benchmarks.studio.hand import Handwriting
from benchmarks.studio.other_images import ask_for
from benchmarks.studio.running import RunningStudio
from benchmarks.studio.studio_page import StudioPage
from tests.model_files import tiny_classifier

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(600)]

ZERO, SIX = Handwriting(0), Handwriting(6)
BROKEN = {"error": {"word": "internal", "line": "something broke here"}}
FULL = {"error": {"word": "disk_full", "line": "the disk is full: make room, then draw again"}}


def refuse(route: Route, status: int, error: dict[str, dict[str, str]]) -> None:
    route.fulfill(status=status, content_type="application/json", body=json.dumps(error))


def test_the_very_same_drawing_adds_nothing_to_judge_by_and_the_page_says_so(page: StudioPage) -> None:
    strokes = ZERO.strokes(11)
    page.draw(strokes)
    page.correct(0)
    expect(page.part("correct-line")).to_have_text("Kept as 0.")
    page.draw(strokes)
    page.correct(0)
    expect(page.part("correct-line")).to_contain_text("Kept as 0. The very same drawing is kept already")
    page.draw(ZERO.strokes(12))
    page.correct(0)
    expect(page.part("correct-line")).to_have_text("Kept as 0.")


def test_a_correction_that_cannot_be_kept_holds_up_no_other(page: StudioPage) -> None:
    held = page.draw(SIX.strokes(11)).drawing
    page.page.route(f"**/api/drawings/{held}/correction", lambda route: refuse(route, 500, BROKEN))
    page.part("correct-6").click()
    expect(page.part("correct-line")).to_contain_text("Something broke here")
    page.draw(SIX.strokes(12))
    page.part("correct-6").click()
    expect(page.part("correct-line")).to_have_text("Kept as 6.")
    with page.page.expect_response(lambda response: held in response.url and response.ok):
        page.page.unroute_all()


def test_why_a_correction_waits_for_its_drawing_is_told(page: StudioPage) -> None:
    page.page.route("**/api/drawings", lambda route: refuse(route, 507, FULL))
    page.part("clear").click()
    page.scribble(ZERO.strokes(13))
    page.part("correct-0").click()
    expect(page.part("correct-line")).to_contain_text("the drawing is not sent. The disk is full: make room")
    page.page.unroute_all()
    expect(page.part("correct-line")).to_have_text("Kept as 0.")


def test_what_is_counted_of_the_last_hour_is_counted_anew(studio: RunningStudio, page: StudioPage) -> None:
    page.open("stream")
    ask_for(studio, {"no image.png": b"no image"})
    count = page.page.locator("#dead-count")
    expect(count).not_to_be_empty()

    def an_hour_later(route: Route) -> None:
        told = route.fetch().json()
        route.fulfill(json=told | {"words": {}, "dead_letters": []})

    page.page.route("**/api/stream/history", an_hour_later)
    page.page.clock.set_fixed_time(time.time() + 61)
    expect(count).to_be_empty()
    page.page.unroute_all()


def test_a_file_is_taken_from_a_page_whose_session_is_another(page: StudioPage, tmp_path: Path) -> None:
    page.open("models")
    page.page.context.clear_cookies()
    page.part("upload-file").set_input_files(tiny_classifier(tmp_path / "mine.onnx"))
    expect(page.part("verdict")).to_have_text("accepted", timeout=120_000)


def test_what_is_to_be_done_without_a_model_is_said_in_the_pages_words(studio: RunningStudio, page: StudioPage) -> None:
    page.draw(ZERO.strokes(14))
    kept = studio.folder / "kept"
    (studio.folder / "models").rename(kept)
    try:
        page.part("retrain").click()
        expect(page.part("retraining-line")).to_contain_text("“Train anew”", timeout=180_000)
        expect(page.part("retraining-line")).not_to_contain_text("__default__")
    finally:
        with suppress(OSError):
            (studio.folder / "models").rmdir()
        kept.rename(studio.folder / "models")


def test_on_a_phone_the_digits_are_in_sight_below_the_drawing(page: StudioPage) -> None:
    page.page.set_viewport_size({"width": 360, "height": 740})
    page.draw(ZERO.strokes(15))
    page.page.evaluate("window.scrollTo(0, 0)")
    expect(page.part("correct-9")).to_be_in_viewport(ratio=1)
    assert re.fullmatch("[0-9]", page.part("answer").inner_text())
