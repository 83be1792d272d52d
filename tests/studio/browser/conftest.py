"""Debian's Chromium, and a studio whose first model is trained once for all tests of this folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from benchmarks.studio.chromium import chromium, find_chromium
from benchmarks.studio.running import RunningStudio
from benchmarks.studio.studio_page import StudioPage
from tests.small_disk import small_disk as small_disk
from tests.studio.browser.watching import watched_page

Begin = Callable[..., RunningStudio]

# Nothing depends on how fast the machine is.
expect.set_options(timeout=60_000)


# Of this folder alone: while Playwright is there, no other test can run an event loop of its own.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Runs until the tests of this folder end."""
    if find_chromium() is None:
        pytest.skip("needs Chromium: apt-get install chromium fonts-dejavu-core")
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def first_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with what a studio trains at its first start."""
    folder = tmp_path_factory.mktemp("first") / "studio"
    with RunningStudio(folder) as studio:
        studio.start()
    return folder / "models"


@pytest.fixture(scope="module")
def studio(browser: Browser, first_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    """One for all tests of a module, with the first model."""
    folder = tmp_path_factory.mktemp("module") / "studio"
    shutil.copytree(first_models, folder / "models")
    with RunningStudio(folder) as studio:
        studio.start()
        yield studio


@pytest.fixture
def begin(browser: Browser, first_models: Path, tmp_path: Path) -> Iterator[Begin]:
    """Starts a studio for one test, with options as typed, and `folder` where it shall not lie where others do."""
    begun: list[RunningStudio] = []

    def begin(*options: str, folder: Path = tmp_path / "studio") -> RunningStudio:
        shutil.copytree(first_models, folder / "models")
        studio = RunningStudio(folder, options)
        begun.append(studio)
        studio.start()
        return studio

    yield begin
    for studio in begun:
        studio.end()


@pytest.fixture
def page(browser: Browser, studio: RunningStudio) -> Iterator[StudioPage]:
    """The page of the module's studio in a browser of its own, watched."""
    with watched_page(browser, studio) as page:
        yield page
