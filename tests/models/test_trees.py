"""A folder that a stranger filled goes, and nothing outside it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from models.trees import remove_tree


def test_a_folder_deeper_than_python_nests_calls_or_a_path_is_long_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = tmp_path / "top"
    top.mkdir()
    monkeypatch.chdir(top)
    for _ in range(2 * sys.getrecursionlimit()):
        os.mkdir("deeper" * 3)  # noqa: PTH102 - a path that is long enough would be too long
        os.chdir("deeper" * 3)
        Path("file").touch()
    monkeypatch.undo()
    remove_tree(top)
    assert not top.exists()


def test_what_links_lead_to_stays(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    top = tmp_path / "top"
    (top / "inner").mkdir(parents=True)
    for link in (top / "link", top / "inner" / "link"):
        link.symlink_to(outside)
    (top / "to a file").symlink_to(outside / "file")
    remove_tree(top)
    (tmp_path / "link").symlink_to(outside)
    remove_tree(tmp_path / "link")
    assert not top.exists()
    assert not (tmp_path / "link").is_symlink()
    assert (outside / "file").exists()


def test_what_is_not_there_is_no_trouble(tmp_path: Path) -> None:
    remove_tree(tmp_path / "absent")
