"""Where a token is set, the page is for those who give it, and asks so that everybody can read it."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from benchmarks.studio.hand import Handwriting
from benchmarks.studio.studio_page import StudioPage
from tests.studio.browser.accessibility import look
from tests.studio.browser.conftest import Begin
from tests.studio.browser.watching import watched

pytestmark = pytest.mark.end_to_end

TOKEN = "a-token-that-nobody-guesses-0123456789"


def test_who_gives_the_token_draws_and_who_does_not_sees_the_login_alone(
    browser: Browser, begin: Begin, tmp_path: Path
) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{TOKEN}\n")
    tokens.chmod(0o600)
    studio = begin("--token-file", str(tokens))
    with watched(browser, studio) as page:
        page.goto(studio.address)
        expect(page.get_by_test_id("login")).to_be_visible()
        expect(page.get_by_test_id("canvas")).to_have_count(0)
        assert page.request.get(f"{studio.address}/api/state").status == 401
        look(page)
        page.get_by_test_id("token").fill("another")
        page.get_by_test_id("login").click()
        expect(page.locator("#login-trouble")).not_to_be_empty()
        look(page)
        page.get_by_test_id("token").fill(TOKEN)
        page.get_by_test_id("login").click()
        expect(page.get_by_test_id("canvas")).to_be_visible()
        opened = StudioPage(page, studio.address)
        assert opened.draw(Handwriting(0).strokes(1)).digit == 0
