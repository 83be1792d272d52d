"""Writing a model onto a local disk: nobody sees it before it is whole and on the disk."""

from __future__ import annotations

import errno
import glob
import os
from pathlib import Path

import pytest

from models.model_files import MODEL_SUFFIXES
from models.storage import LocalStorage
from models.storage.local_writing import put_locally
from models.storage.patterns import matcher

BYTES = bytes(2 << 20) + b"and a little more, which a buffer would keep"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    path = tmp_path / "source"
    path.write_bytes(BYTES)
    return path


@pytest.fixture(params=["links", "no links"])
def steps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """What is brought to the disk and what is named, in order: the step, the inode and its size then."""
    taken: list[tuple[str, int, int]] = []
    fsync, link, replace = os.fsync, os.link, os.replace

    def noted(step: str, status: os.stat_result) -> None:
        taken.append((step, status.st_ino, status.st_size))

    def note_fsync(descriptor: int) -> None:
        noted("on disk", os.fstat(descriptor))
        fsync(descriptor)

    def note_link(source: Path, target: Path) -> None:
        if request.param == "no links":
            raise OSError(errno.EPERM, "not supported")
        noted("named", source.stat())
        link(source, target)

    def note_replace(source: Path, target: Path) -> None:
        noted("named", source.stat())
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "link", note_link)
    monkeypatch.setattr(os, "replace", note_replace)
    return taken


def test_a_model_is_whole_on_the_disk_before_it_has_its_name(source: Path, steps: list[tuple[str, int, int]]) -> None:
    target = source.parent / "models/a.h5"
    put_locally(source, str(target))
    inode = target.stat().st_ino
    assert steps[:2] == [("on disk", inode, len(BYTES)), ("named", inode, len(BYTES))]
    assert [(step, inode) for step, inode, _ in steps[2:]] == [("on disk", target.parent.stat().st_ino)]


@pytest.mark.parametrize("suffix", MODEL_SUFFIXES)
def test_no_pattern_for_models_matches_an_unfinished_one(source: Path, suffix: str) -> None:
    folder = source.parent / "models"
    names: set[str] = set()

    def look(_: int) -> None:
        [unfinished] = folder.iterdir()
        names.add(unfinished.name)
        for pattern in ("*", "**", f"*{suffix}", f"**/*{suffix}", f"a{suffix}*", "?*"):
            assert LocalStorage().list(f"{folder}/{pattern}") == []
        assert glob.glob(f"{folder}/**", recursive=True) == [f"{folder}/"]  # noqa: PTH207 - it hides dots, Path's not
        for pattern in (f"*{suffix}", f"**{suffix}", f"a*{suffix}"):  # Beam's, in which `*` matches a dot too
            assert not matcher(f"{folder}/{pattern}").match(str(unfinished))

    put_locally(source, f"{folder}/a{suffix}", look)
    assert len(names) == 1
    assert [file.uri for file in LocalStorage().list(f"{folder}/*")] == [f"{folder}/a{suffix}"]
