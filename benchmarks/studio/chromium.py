"""Debian's Chromium, driven by Playwright; none is downloaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from launch.command_line import CommandFailed

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def find_chromium() -> Path | None:
    """The browser that is installed here, None where there is none."""
    return next((Path(found) for name in _NAMES if (found := shutil.which(name))), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window, which is closed in the end.

    Raises:
        CommandFailed: none is installed.
        playwright.sync_api.Error: it does not start.
    """
    program = find_chromium()
    if program is None:
        raise CommandFailed("Chromium is not installed: apt-get install chromium fonts-dejavu-core")
    # Chromium refuses its sandbox to root, and many a container's /dev/shm is too small for it.
    flags = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        try:
            yield browser
        finally:
            browser.close()
