"""By mouse, finger, pen or keys, on a large screen, a phone or in the dark: who draws is answered, and nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from benchmarks.studio.hand import Handwriting
from benchmarks.studio.pointer import by_finger, by_pen
from benchmarks.studio.running import RunningStudio
from benchmarks.studio.studio_page import StudioPage
from tests.studio.browser.watching import watched_page
from tests.waiting import eventually

pytestmark = pytest.mark.end_to_end

PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 3,
}


def test_what_is_drawn_is_answered_by_the_live_model(page: StudioPage) -> None:
    results = page.number("results")
    answer = page.draw(Handwriting(0).strokes(1))
    assert answer.digit == 0
    expect(page.part("live-model")).to_contain_text(answer.model_id)
    eventually(lambda: page.number("results") > results, "the results to be counted")


def test_a_finger_draws_on_a_phone_without_moving_the_page(browser: Browser, studio: RunningStudio) -> None:
    with watched_page(browser, studio, **PHONE) as page:
        assert page.draw(Handwriting(0).strokes(1), by_finger).digit == 0
        before = page.page.evaluate("scrollY")
        page.draw(Handwriting(1).strokes(1), by_finger)
        assert page.page.evaluate("scrollY") == before


def test_a_pen_draws(page: StudioPage) -> None:
    assert page.draw(Handwriting(0).strokes(2), by_pen).digit == 0


def test_keys_alone_draw_and_correct(page: StudioPage) -> None:
    keys = page.page.keyboard
    before = total(page)
    canvas = page.part("canvas")
    for _ in range(40):
        if canvas.evaluate("canvas => canvas === document.activeElement"):
            break
        keys.press("Tab")
    expect(canvas).to_be_focused()
    keys.press("Space")
    for key in ["ArrowDown"] * 12:
        keys.press(key)
    with page.page.expect_response(lambda response: response.request.method == "POST") as sent:
        keys.press("Space")
    answer = page.answer(sent.value.json()["drawing"])
    with page.page.expect_response(lambda response: response.url.endswith("/correction")) as kept:
        keys.press("1")
    assert kept.value.ok
    assert answer.digit in range(10)
    assert total(page) == before + 1


@pytest.mark.parametrize("view", ["draw", "models", "stream"])
def test_on_a_phone_no_view_is_wider_than_the_screen(browser: Browser, studio: RunningStudio, view: str) -> None:
    with watched_page(browser, studio, view, **PHONE) as page:
        assert page.page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"]


def test_in_the_dark_the_page_is_dark(browser: Browser, studio: RunningStudio) -> None:
    light, dark = (brightness(browser, studio, scheme) for scheme in ("light", "dark"))
    assert dark < 80 < 180 < light


def brightness(browser: Browser, studio: RunningStudio, scheme: str) -> int:
    """0 to 255, of the page's ground."""
    with watched_page(browser, studio, color_scheme=scheme) as page:
        ground = page.page.evaluate("getComputedStyle(document.body).backgroundColor")
        return max(int(part) for part in ground.strip("rgba()").split(",")[:3])


def test_two_browsers_do_not_see_each_others_drawings(browser: Browser, studio: RunningStudio) -> None:
    with watched_page(browser, studio) as mine, watched_page(browser, studio) as others:
        drawn = mine.draw(Handwriting(0).strokes(3))
        for path in ("answer", "png"):
            own = f"{studio.address}/api/drawings/{drawn.drawing}{'.' if path == 'png' else '/'}{path}"
            assert mine.page.request.get(own).status == 200
            assert others.page.request.get(own).status == 404
        expect(others.part("answer")).not_to_have_text("0")
        others.draw(Handwriting(1).strokes(3))
        expect(mine.part("answer")).to_have_text("0")


def test_a_wrong_tap_is_taken_back(page: StudioPage) -> None:
    before = total(page)
    page.draw(Handwriting(3).strokes(1))
    page.correct(8)
    assert total(page) == before + 1
    with page.page.expect_response(lambda response: response.request.method == "DELETE") as gone:
        page.part("take-back").click()
    assert gone.value.ok
    assert total(page) == before


def test_another_tap_corrects_the_correction(page: StudioPage) -> None:
    before = total(page)
    drawn = page.draw(Handwriting(3).strokes(2))
    page.correct(8)
    page.correct(3)
    assert total(page) == before + 1
    latest = page.page.request.get(f"{page.address}/api/corrections?most=1").json()["corrections"][0]
    assert (latest["drawing"], latest["label"], latest["mine"]) == (drawn.drawing, 3, True)


def total(page: StudioPage) -> int:
    """Corrections that the studio knows."""
    state = page.page.request.get(f"{page.address}/api/state").json()
    return int(state["corrections"]["total"])
