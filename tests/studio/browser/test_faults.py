"""Parts are pulled out while the page is open: it says so, what can go on does, and all is well once they are back."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, expect

from benchmarks.studio.hand import Handwriting
from benchmarks.studio.running import RunningStudio, lives
from benchmarks.studio.studio_page import StudioPage
from tests.studio.browser.conftest import Begin
from tests.studio.browser.watching import watched_page
from tests.waiting import eventually

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(600)]

ZERO = Handwriting(0)
BACK_MS = 120_000


def test_a_stream_that_is_killed_comes_back_and_answers_what_was_drawn_meanwhile(
    studio: RunningStudio, page: StudioPage
) -> None:
    live = page.draw(ZERO.strokes(1)).model_id
    for process in studio.children("beam_pipeline"):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    expect(page.part("stream-state")).not_to_have_text("running")
    drawn = page.put(ZERO.strokes(2))
    answer = page.answer(drawn)
    assert (answer.digit, answer.model_id) == (0, live)
    page.until("stream-state", "running", BACK_MS / 1000)
    assert page.draw(ZERO.strokes(3)).digit == 0


def test_a_retraining_that_is_killed_has_failed_and_another_may_begin(studio: RunningStudio, page: StudioPage) -> None:
    live = page.draw(ZERO.strokes(1)).model_id
    page.correct(0)
    page.part("retrain").click()
    page.until("retraining", "running")
    for process in eventually(lambda: studio.children("studio.relearning"), "a retraining's process"):
        process.kill()
    page.until("retraining", "failed")
    expect(page.part("retraining-line")).not_to_be_empty()
    assert page.draw(ZERO.strokes(2)).model_id == live, "what was live stays"
    page.part("retrain").click()
    page.until("retraining", "running")
    expect(page.part("retraining")).not_to_have_text("running", timeout=180_000)
    expect(page.part("retraining")).not_to_have_text("failed")


def test_a_studio_that_is_killed_and_begun_again_is_the_same_to_an_open_page(browser: Browser, begin: Begin) -> None:
    studio = begin()
    with watched_page(browser, studio) as page:
        page.draw(ZERO.strokes(1))
        cookies = page.page.context.cookies()
        below = studio.children()
        studio.kill()
        expect(page.page.locator("#lost .banner")).to_be_visible()
        eventually(lambda: not any(lives(each) for each in below), "the end of all that it had started")
        studio.start()
        expect(page.page.locator("#lost .banner")).to_have_count(0, timeout=BACK_MS)
        assert page.draw(ZERO.strokes(2)).digit == 0
        page.correct(0)
        assert page.page.context.cookies() == cookies
    assert studio.end() == 0
    assert not any(lives(each) for each in below)


def test_ctrl_c_ends_it_and_all_that_it_started_also_while_a_page_is_open(browser: Browser, begin: Begin) -> None:
    studio = begin()
    with watched_page(browser, studio) as page:
        page.draw(ZERO.strokes(1))
        below = studio.children()
        assert below
        assert studio.end() == 0
        assert not any(lives(each) for each in below)


@pytest.mark.parametrize("small_disk", [64], indirect=True)
def test_a_full_disk_is_told_and_drawing_goes_on_once_there_is_room(
    browser: Browser, begin: Begin, small_disk: Path
) -> None:
    studio = begin(folder=small_disk / "studio")
    with watched_page(browser, studio) as page:
        page.draw(ZERO.strokes(1))
        fill(small_disk / "full")
        page.part("clear").click()
        with page.page.expect_response(lambda response: response.request.method == "POST") as refused:
            page.scribble(ZERO.strokes(2))
        assert (refused.value.status, refused.value.json()["error"]["word"]) == (507, "disk_full")
        said = refused.value.json()["error"]["line"].rstrip(".")
        expect(page.part("answer-line")).to_contain_text(said, ignore_case=True)
        (small_disk / "full").unlink()
        page.until("answer", "0")
        assert page.draw(ZERO.strokes(3)).digit == 0
        page.correct(0)


def fill(file: Path) -> None:
    """Writes until nothing more fits."""
    with suppress(OSError), file.open("wb", buffering=0) as writing:
        while True:
            writing.write(bytes(4096))
