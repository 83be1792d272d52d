"""The page is light, and comes from the studio alone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from benchmarks.studio.hand import Handwriting
from benchmarks.studio.running import RunningStudio
from tests.studio.browser.watching import watched_page

pytestmark = pytest.mark.end_to_end

MOST_BYTES = 300_000


def test_all_views_and_a_drawing_weigh_no_more_than_meant(browser: Browser, studio: RunningStudio) -> None:
    with watched_page(browser, studio) as page:
        session = page.page.context.new_cdp_session(page.page)
        sizes: list[float] = []
        session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
        session.send("Network.enable")
        session.send("Network.setCacheDisabled", {"cacheDisabled": True})
        page.page.reload()
        for view in ("models", "stream", "draw"):
            page.open(view)
        page.draw(Handwriting(5).strokes(0))
        assert sizes
        assert sum(sizes) <= MOST_BYTES
