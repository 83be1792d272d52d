"""The files of drawings appear whole, say where there is no room, and go when they are old."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from studio.drawing.files import MOST_FILES, OLDEST_SECONDS, DrawingFiles
from studio.errors import StudioRefused, Trouble

NOW = 2_000_000_000.0


def name_of(number: int) -> str:
    return f"{number:032x}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "drawings"


@pytest.fixture
def files(folder: Path) -> DrawingFiles:
    return DrawingFiles(folder, lambda: NOW)


def saved(files: DrawingFiles, number: int, age: float) -> Path:
    path = files.save(name_of(number), b"drawing")
    os.utime(path, (NOW - age, NOW - age))
    return path


def test_a_file_has_its_bytes_and_the_folder_is_the_users_own(files: DrawingFiles, folder: Path) -> None:
    path = files.save(name_of(1), b"drawing")

    assert path.read_bytes() == b"drawing"
    assert folder.stat().st_mode & 0o077 == 0
    assert list(folder.iterdir()) == [path]


def test_a_folder_that_was_taken_away_is_made_again(files: DrawingFiles, folder: Path) -> None:
    files.save(name_of(1), b"drawing").unlink()
    folder.rmdir()

    assert files.save(name_of(2), b"drawing").is_file()


def test_old_files_go_and_young_ones_stay(files: DrawingFiles, folder: Path) -> None:
    old, young = saved(files, 1, OLDEST_SECONDS + 1), saved(files, 2, OLDEST_SECONDS - 1)
    half = folder / f".{name_of(3)}.png.partial"
    half.write_bytes(b"dra")
    os.utime(half, (0, 0))
    files.prune_at_times(frozenset)

    assert list(folder.iterdir()) == [young]
    assert not old.exists()


def test_what_is_still_asked_for_stays_however_old(files: DrawingFiles, folder: Path) -> None:
    asked = saved(files, 1, 10 * OLDEST_SECONDS)
    files.prune_at_times(lambda: {str(asked)})

    assert list(folder.iterdir()) == [asked]


def test_what_others_put_there_stays(files: DrawingFiles, folder: Path) -> None:
    saved(files, 1, 0)
    for name in ("notes.txt", "holiday.png", "aa"):
        (folder / name).write_bytes(b"kept")
        os.utime(folder / name, (0, 0))
    files.prune_at_times(frozenset)

    assert {path.name for path in folder.iterdir()} == {"notes.txt", "holiday.png", "aa", f"{name_of(1)}.png"}


def test_beyond_so_many_the_oldest_go(files: DrawingFiles, folder: Path) -> None:
    for number in range(MOST_FILES + 3):
        saved(files, number, 600 - number * 0.1)
    files.prune_at_times(frozenset)

    left = {path.stem for path in folder.iterdir()}
    assert left == {name_of(number) for number in range(3, MOST_FILES + 3)}


def test_between_two_prunings_files_are_left_alone(files: DrawingFiles, folder: Path) -> None:
    saved(files, 0, 0)
    files.prune_at_times(frozenset)
    saved(files, 1, 2 * OLDEST_SECONDS)
    files.prune_at_times(frozenset)
    assert len(list(folder.iterdir())) == 2

    for number in range(2, 202):
        files.save(name_of(number), b"drawing")
    files.prune_at_times(frozenset)
    assert name_of(1) not in {path.stem for path in folder.iterdir()}


def test_a_full_disk_is_told_leaves_nothing_and_passes(small_disk: Path) -> None:
    files = DrawingFiles(small_disk / "drawings")
    files.save(name_of(1), b"drawing").unlink()
    with (small_disk / "others").open("ab", buffering=0) as others, contextlib.suppress(OSError):
        while True:
            others.write(bytes(4096))
    with pytest.raises(StudioRefused, match="make room below") as caught:
        files.save(name_of(2), b"drawing")
    assert caught.value.trouble is Trouble.DISK_FULL
    assert list((small_disk / "drawings").iterdir()) == []

    (small_disk / "others").unlink()
    assert files.save(name_of(3), b"drawing").read_bytes() == b"drawing"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "drawings").write_bytes(b"a file")
    with pytest.raises(StudioRefused, match="cannot be saved below") as caught:
        DrawingFiles(tmp_path / "drawings").save(name_of(1), b"drawing")
    assert caught.value.trouble is Trouble.NOT_POSSIBLE
