"""Files on this machine's disks: which a pattern lists, and how they are opened."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.storage import LocalStorage, StoredFile, is_being_written, newest_first
from models.storage.errors import StorageUnavailable


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`a.h5 b.h5 [c].h5 {d}.h5 .hidden.h5 sub/e.h5 sub/deep/f.h5 .secret/g.h5 folder.h5/`, and the current folder."""
    for name in ("a.h5", "b.h5", "[c].h5", "{d}.h5", ".hidden.h5", "sub/e.h5", "sub/deep/f.h5", ".secret/g.h5"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"model")
    (tmp_path / "folder.h5").mkdir()
    (tmp_path / "broken.h5").symlink_to(tmp_path / "nothing")
    (tmp_path / "loop.h5").symlink_to(tmp_path / "loop.h5")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def listed(pattern: str) -> list[str]:
    return sorted(file.uri for file in LocalStorage().list(pattern))


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("a.h5", ["a.h5"]),
        ("*.h5", ["[c].h5", "a.h5", "b.h5", "{d}.h5"]),
        ("./*.h5", ["./[c].h5", "./a.h5", "./b.h5", "./{d}.h5"]),
        ("?.h5", ["a.h5", "b.h5"]),
        ("[ab].h5", ["a.h5", "b.h5"]),
        ("[!a].h5", ["b.h5"]),
        ("[[]c].h5", ["[c].h5"]),
        ("{d}.h5", ["{d}.h5"]),
        ("{a,b}.h5", []),
        ("*/*.h5", ["sub/e.h5"]),
        ("s[u]b/*/f.h5", ["sub/deep/f.h5"]),
        ("**/*.h5", ["[c].h5", "a.h5", "b.h5", "sub/deep/f.h5", "sub/e.h5", "{d}.h5"]),
        ("sub/**", ["sub/deep/f.h5", "sub/e.h5"]),
        ("**/deep/**/f.h5", ["sub/deep/f.h5"]),
        (".*.h5", [".hidden.h5"]),
        ("folder.h5", []),
        ("folder.h5/*", []),
        ("a.h5/*", []),
        ("nothing/*.h5", []),
        ("A.h5", []),
        ("", []),
    ],
)
def test_a_pattern_means_what_glob_means(folder: Path, pattern: str, found: list[str]) -> None:
    assert listed(pattern) == found


def test_an_absolute_pattern_gives_absolute_paths(folder: Path) -> None:
    assert listed(f"{folder}/sub/*.h5") == [f"{folder}/sub/e.h5"]
    assert listed("/*") == [
        f"/{entry.name}" for entry in sorted(Path("/").iterdir()) if entry.is_file() and entry.name[0] != "."
    ]


def test_a_link_to_a_model_is_a_model(folder: Path) -> None:
    (folder / "z.h5").symlink_to("a.h5")
    assert listed("z*") == ["z.h5"]


def test_a_loop_of_links_is_not_walked(folder: Path) -> None:
    (folder / "sub/up").symlink_to(folder)
    assert len(listed("sub/**/*.h5")) == 2


class _Failing:
    def __init__(self, failing: str, code: int) -> None:
        self._failing, self._code, self._real = failing, code, os.scandir

    def __call__(self, path: str) -> Any:
        if path == self._failing:
            raise OSError(self._code, os.strerror(self._code), path)
        return self._real(path)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.ESTALE, errno.ENOTCONN])
def test_a_folder_that_cannot_be_listed_is_not_taken_for_an_empty_one(
    folder: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "scandir", _Failing("sub", code))
    with pytest.raises(StorageUnavailable, match="sub"):
        LocalStorage().list("sub/*.h5")


def test_half_a_listing_is_no_listing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "scandir", _Failing("sub", errno.ESTALE))
    with pytest.raises(StorageUnavailable):
        LocalStorage().list("*/*.h5")


def test_a_forbidden_folder_below_the_pattern_hides_only_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "scandir", _Failing("sub/deep", errno.EACCES))
    assert listed("**/[ef].h5") == ["sub/e.h5"]


def test_a_file_that_cannot_be_asked_about_makes_the_listing_fail(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stat(path: str) -> Any:
        raise OSError(errno.EIO, "Input/output error", path)

    monkeypatch.setattr(os, "stat", stat)
    with pytest.raises(StorageUnavailable, match="Input/output error"):
        LocalStorage().list("a.h5")


def test_the_version_changes_whenever_the_file_does(folder: Path) -> None:
    path = folder / "a.h5"

    def version() -> str:
        (file,) = LocalStorage().list("a.h5")
        return file.version

    seen = [version()]
    for change in (
        lambda: path.write_bytes(b"other"),
        lambda: os.utime(path, (1, 1)),
        lambda: (folder / "b.h5").rename(path),
        lambda: path.open("ab").write(b"!"),
    ):
        change()
        seen.append(version())
    assert len(set(seen)) == len(seen)


def test_what_is_not_there_is_told_from_what_cannot_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = LocalStorage()
    for absent in ("nothing.h5", "broken.h5", "folder.h5"):
        with pytest.raises(FileNotFoundError):
            storage.open(absent)
    with pytest.raises(StorageUnavailable):
        storage.open("loop.h5")


def test_a_pipe_is_no_model_and_is_not_waited_for(folder: Path) -> None:
    os.mkfifo("pipe.h5")
    with pytest.raises(FileNotFoundError, match="no regular file"):
        LocalStorage().open("pipe.h5")
    assert listed("pipe.h5") == []


def test_a_file_is_read_from_its_beginning_to_its_end(folder: Path) -> None:
    file = LocalStorage().open("a.h5")
    assert [file.read(3), file.read(3), file.read(3)] == [b"mod", b"el", b""]
    file.close()


def test_the_newest_comes_first_and_ties_go_to_the_last_name() -> None:
    files = [StoredFile(uri, 1, modified, "", True) for uri, modified in (("a", 1.0), ("c", 1.0), ("b", 2.0))]
    assert [file.uri for file in newest_first(files)] == ["b", "c", "a"]


@pytest.fixture
def writer(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds `a.h5` open for writing and `b.h5` for reading until its input ends."""
    command = [sys.executable, str(Path(__file__).with_name("holding_files.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_open_writer_is_seen_until_it_closes_the_file(folder: Path, writer: subprocess.Popen[str]) -> None:
    (folder / "link.h5").symlink_to("a.h5")
    assert is_being_written("a.h5")
    assert is_being_written("link.h5")
    assert not is_being_written("b.h5")
    assert writer.stdin is not None
    writer.stdin.close()
    writer.wait()
    assert not is_being_written("a.h5")
