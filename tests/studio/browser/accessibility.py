"""Axe at what a page shows."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page


def look(page: Page) -> None:
    """Looks at what is shown now.

    Raises:
        AssertionError: axe has found something; with what it says of it.
    """
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
