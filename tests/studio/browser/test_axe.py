"""Nothing on any view is out of reach of who cannot see, in the light and in the dark."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from benchmarks.studio.hand import Handwriting
from benchmarks.studio.running import RunningStudio
from tests.studio.browser.accessibility import look
from tests.studio.browser.watching import watched_page

pytestmark = pytest.mark.end_to_end


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", ["draw", "models", "stream"])
def test_a_view_has_no_violations(browser: Browser, studio: RunningStudio, view: str, scheme: str) -> None:
    with watched_page(browser, studio, view, color_scheme=scheme) as page:
        look(page.page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_answer_and_a_correction_have_no_violations(browser: Browser, studio: RunningStudio, scheme: str) -> None:
    with watched_page(browser, studio, color_scheme=scheme) as page:
        page.draw(Handwriting(2).strokes(1))
        look(page.page)
        page.correct(2)
        look(page.page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_list_of_keys_has_no_violations(browser: Browser, studio: RunningStudio, scheme: str) -> None:
    with watched_page(browser, studio, color_scheme=scheme) as page:
        page.part("help").click()
        look(page.page)
