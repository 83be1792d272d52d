"""Writing next to a job that watches: what it could see in between, and what is left alone."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from models.storage import LocalStorage, StoredFile
from models.storage.errors import NameTaken, NotWritten
from models.storage.local_writing import make_newest_locally, put_locally


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    source.write_bytes(os.urandom((2 << 20) + 1))
    return source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def listed(folder: Path) -> list[StoredFile]:
    return sorted(LocalStorage().list(f"{folder}/*"), key=lambda file: file.uri)


def refuse(number: int) -> object:
    def refusal(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return refusal


def test_a_file_that_is_being_copied_is_on_no_list_and_in_the_same_folder(source: Path, folder: Path) -> None:
    seen: list[tuple[list[StoredFile], list[str]]] = []
    put_locally(
        source, str(folder / "a.h5"), lambda _: seen.append((listed(folder), [e.name for e in folder.iterdir()]))
    )
    assert len(seen) == 3
    for visible, present in seen:
        assert visible == []
        assert len(present) == 1
        assert present[0].startswith(".a.h5.")
    assert [file.uri for file in listed(folder)] == [f"{folder}/a.h5"]


def test_the_longest_name_that_a_file_may_have_can_be_written(source: Path, folder: Path) -> None:
    name = "x" * 252 + ".h5"
    put_locally(source, str(folder / name))
    assert [entry.name for entry in folder.iterdir()] == [name]


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC, errno.EROFS])
def test_a_name_that_cannot_be_given_is_told_and_nothing_is_left(
    number: int, source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", refuse(number))
    with pytest.raises(OSError) as caught:
        put_locally(source, str(folder / "a.h5"))
    assert caught.value.errno == number
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK])
def test_each_way_to_refuse_a_hard_link_is_gone_round(
    number: int, source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", refuse(number))
    put_locally(source, str(folder / "a.h5"))
    assert (folder / "a.h5").read_bytes() == source.read_bytes()
    with pytest.raises(NameTaken, match=r"a\.h5"):
        put_locally(source, str(folder / "a.h5"))
    assert [entry.name for entry in folder.iterdir()] == ["a.h5"]


def test_where_the_last_step_fails_the_name_is_free_again(
    source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", refuse(errno.EPERM))
    monkeypatch.setattr(Path, "replace", refuse(errno.EIO))
    with pytest.raises(OSError) as caught:
        put_locally(source, str(folder / "a.h5"))
    assert caught.value.errno == errno.EIO
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_synced_loses_no_file(
    source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "open", refuse(errno.EINVAL))
    put_locally(source, str(folder / "a.h5"))
    assert (folder / "a.h5").read_bytes() == source.read_bytes()


def an_old_one(folder: Path) -> StoredFile:
    (folder / "old.h5").write_bytes(b"old")
    os.utime(folder / "old.h5", (1e9, 1e9))
    [file] = listed(folder)
    return file


def test_a_file_is_made_the_newest_by_the_time_of_now(folder: Path) -> None:
    file, before = an_old_one(folder), time.time()
    make_newest_locally(file, before - 1000)
    [after] = listed(folder)
    assert before - 1 < after.modified < before + 300


@pytest.mark.parametrize("ahead", [3600.0, 1e8])
def test_a_file_is_made_newer_than_one_from_the_future(ahead: float, folder: Path) -> None:
    file, above = an_old_one(folder), float(int(time.time() + ahead))
    make_newest_locally(file, above)
    [after] = listed(folder)
    assert after.modified == above + 1


@pytest.mark.parametrize(("content", "modified"), [(b"other", 1e9), (b"new", 1e9 + 5)])
def test_a_file_that_changed_meanwhile_is_never_made_the_newest(content: bytes, modified: float, folder: Path) -> None:
    file = an_old_one(folder)
    (folder / "old.h5").write_bytes(content)
    os.utime(folder / "old.h5", (modified, modified))
    with pytest.raises(NotWritten, match="changed meanwhile"):
        make_newest_locally(file, 2e9)
    assert (folder / "old.h5").stat().st_mtime == modified


def test_a_file_that_is_gone_or_may_not_be_touched_is_told_with_its_reason(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = an_old_one(folder)
    (folder / "old.h5").unlink()
    with pytest.raises(NotWritten, match="No such file"):
        make_newest_locally(file, 2e9)
    file = an_old_one(folder)
    monkeypatch.setattr(os, "supports_fd", set())
    monkeypatch.setattr(os, "utime", refuse(errno.EPERM))
    with pytest.raises(NotWritten, match="not permitted"):
        make_newest_locally(file, 2e9)
