"""Pages that are watched while they are used: what they ask of other hosts, and what their browser complains of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page

from benchmarks.studio.running import RunningStudio
from benchmarks.studio.studio_page import StudioPage

_TELL_VIOLATIONS = """document.addEventListener('securitypolicyviolation', event =>
    console.error('CSP: ' + event.violatedDirective + ' ' + event.blockedURI))"""
_REFUSED = "Failed to load resource"
"""What the browser says of every answer that is an error: tests that bring these about look at what the page says."""


@contextmanager
def watched(browser: Browser, studio: RunningStudio, **context: Any) -> Iterator[Page]:
    """An empty page in a browser that knows nothing yet; in the end, nothing must have been amiss.

    Args:
        browser: that runs.
        studio: likewise; no other host may be asked.
        context: of Playwright's new context, e.g. `has_touch`.

    Raises:
        AssertionError: a script failed, the content security policy was violated, or another host was asked.
    """
    context = {"viewport": {"width": 1280, "height": 900}, **context}
    with browser.new_context(**context) as session:
        session.add_init_script(_TELL_VIOLATIONS)
        page = session.new_page()
        amiss = _amiss(page, studio)
        yield page
        assert not amiss, amiss


@contextmanager
def watched_page(browser: Browser, studio: RunningStudio, view: str = "draw", **context: Any) -> Iterator[StudioPage]:
    """The same with the studio's page in it, which shows this view."""
    with watched(browser, studio, **context) as page:
        opened = StudioPage(page, studio.address)
        opened.open(view)
        yield opened


def _amiss(page: Page, studio: RunningStudio) -> list[str]:
    amiss: list[str] = []
    host = urlsplit(studio.address).netloc

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(_REFUSED):
            amiss.append(message.text)

    def see(url: str) -> None:
        if not url.startswith(("data:", "blob:")) and urlsplit(url).netloc != host:
            amiss.append(f"asked {url}")

    page.on("console", hear)
    page.on("pageerror", lambda error: amiss.append(str(error)))
    page.on("request", lambda request: see(request.url))
    return amiss
