"""The page is there before the first model is: what is drawn meanwhile is answered once it has been trained."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from benchmarks.studio.hand import Handwriting
from benchmarks.studio.running import RunningStudio
from tests.studio.browser.watching import watched_page

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(600)]


def test_who_draws_while_the_first_model_is_trained_is_answered_by_it(browser: Browser, tmp_path: Path) -> None:
    with RunningStudio(tmp_path / "studio") as studio:
        studio.start("page")
        with watched_page(browser, studio) as page:
            expect(page.part("live-model")).to_be_empty()
            page.until("retraining", "running")
            drawn = page.put(Handwriting(0).strokes(1))
            studio.until_ready()
            answer = page.answer(drawn)
            assert answer.digit == 0
            expect(page.part("live-model")).to_contain_text(answer.model_id)
            page.until("swaps", "0")
