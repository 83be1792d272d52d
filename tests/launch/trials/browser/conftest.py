"""Debian's Chromium."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from benchmarks.studio.chromium import chromium, find_chromium


# Of this folder alone: while Playwright is there, no other test can run an event loop of its own.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Runs until the tests of this folder end."""
    if find_chromium() is None:
        pytest.skip("needs Chromium: apt-get install chromium fonts-dejavu-core")
    with chromium() as browser:
        yield browser
