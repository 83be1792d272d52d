"""A page of a few files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.studio.web.running_web import Web, running_web
from tests.studio.web.small_parts import small_parts
from tests.studio.web.whole_page import WholePage, whole_page

LOGIN = '<form method="post" action="/login"><input name="token"><p role="alert"></p></form>'


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A folder with a page, its login, and a script."""
    folder = tmp_path / "page"
    folder.mkdir()
    (folder / "index.html").write_text("<!doctype html><title>studio</title>")
    (folder / "login.html").write_text(LOGIN)
    (folder / "main.js").write_text("export const page = 1;\n" * 100)
    return folder


@pytest.fixture
def web(page: Path) -> Iterator[Web]:
    """A studio for this machine alone."""
    with running_web(small_parts(page)) as running:
        yield running


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[WholePage]:
    """A studio with all that its page asks."""
    with whole_page(tmp_path) as running:
        yield running
