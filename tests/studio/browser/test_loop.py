"""Who is misread corrects it, retrains, and sees the same drawing read right: on one page, while the stream runs."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from benchmarks.studio.hand import Handwriting
from benchmarks.studio.misreading import misread
from tests.studio.browser.conftest import Begin
from tests.studio.browser.watching import watched_page

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(600)]

CORRECTIONS = 9


def test_a_misread_digit_is_read_right_by_the_model_that_learnt_it_while_the_page_is_open(
    browser: Browser, begin: Begin
) -> None:
    studio = begin("--retrain-after", "100")
    with watched_page(browser, studio) as page:
        writing, wrong = misread(page)
        first = wrong.model_id
        expect(page.part("live-model")).to_contain_text(first.split("@")[0])
        swaps = page.number("swaps")

        for seed in range(CORRECTIONS):
            page.draw(writing.strokes(seed))
            page.correct(writing.digit)
        page.part("retrain").click()

        page.until("retraining", "running")
        page.until("retraining", "published", 180)
        page.until("swaps", str(swaps + 1))
        expect(page.part("live-model")).not_to_contain_text(first)
        right = page.draw(writing.strokes(0))
        assert right.digit == writing.digit
        assert right.model_id != first
        expect(page.part("live-model")).to_contain_text(right.model_id)


def test_after_so_many_corrections_it_retrains_by_itself_once(browser: Browser, begin: Begin) -> None:
    studio = begin("--retrain-after", "3")
    with watched_page(browser, studio) as page:
        for seed in range(3):
            page.draw(Handwriting(7, "barred").strokes(seed))
            page.correct(7)
        page.until("retraining", "running")
        expect(page.part("retraining")).not_to_have_text("running", timeout=180_000)
        runs = page.page.request.get(f"{studio.address}/api/retraining/runs").json()["runs"]
        assert [run["pipeline"] for run in runs] == ["tuning"]
