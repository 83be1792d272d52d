"""A file is removed if it still is what was listed, and no other: the same promises on a disk and in a bucket."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.storage import StoredFile
from models.storage.errors import NotWritten
from models.storage.patterns import literally, matcher
from models.storage.schemes import AnyStorage
from tests.launch.storage_server import BUCKET, StorageServer, storage_server

Write = Callable[[str, bytes], str]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StorageServer]:
    with storage_server() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.address)
        yield server


@pytest.fixture(params=["disk", "bucket"])
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Write:
    """Writes a file by the hand of somebody else; answers its address."""

    def on_disk(name: str, content: bytes) -> str:
        (tmp_path / name).write_bytes(content)
        return str(tmp_path / name)

    def in_bucket(name: str, content: bytes) -> str:
        request.getfixturevalue("server").put(name, content)
        return f"gs://{BUCKET}/{name}"

    if request.param == "bucket":
        request.getfixturevalue("server")
    return on_disk if request.param == "disk" else in_bucket


def listed(uri: str) -> list[StoredFile]:
    return AnyStorage().list(literally(uri))


def test_what_was_listed_is_removed_and_its_neighbours_stay(write: Write) -> None:
    uri, neighbour = write("a.h5", b"model"), write("a.h5.sig", b"signature")
    [file] = listed(uri)
    AnyStorage().remove(file)
    assert listed(uri) == []
    assert listed(neighbour)


def test_what_is_gone_already_is_no_trouble(write: Write) -> None:
    [file] = listed(write("a.h5", b"model"))
    AnyStorage().remove(file)
    AnyStorage().remove(file)


def test_what_was_overwritten_meanwhile_stays(write: Write) -> None:
    uri = write("a.h5", b"model")
    [file] = listed(uri)
    write("a.h5", b"other")
    with pytest.raises(NotWritten, match=r"a\.h5 changed meanwhile, and was left alone"):
        AnyStorage().remove(file)
    assert listed(uri)[0].version != file.version


def test_what_was_overwritten_a_moment_before_its_removal_stays(server: StorageServer) -> None:
    server.put("a.h5", b"model")
    [file] = listed(f"gs://{BUCKET}/a.h5")
    server.meanwhile = lambda: server.put("a.h5", b"other")
    with pytest.raises(NotWritten, match="changed meanwhile"):
        AnyStorage().remove(file)
    assert server.content("a.h5") == b"other"


def test_what_somebody_else_removed_a_moment_before_is_no_trouble(server: StorageServer) -> None:
    server.put("a.h5", b"model")
    [file] = listed(f"gs://{BUCKET}/a.h5")
    server.meanwhile = lambda: server.delete("a.h5")
    AnyStorage().remove(file)


def test_a_folder_that_took_the_name_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(b"model")
    [file] = listed(str(path))
    path.unlink()
    path.mkdir()
    with pytest.raises(NotWritten, match="changed meanwhile"):
        AnyStorage().remove(file)
    assert path.is_dir()


def test_of_a_link_the_link_goes(tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"model")
    (tmp_path / "a.h5").symlink_to("kept")
    [file] = listed(str(tmp_path / "a.h5"))
    AnyStorage().remove(file)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_what_may_not_be_removed_is_told_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.h5").write_bytes(b"model")
    [file] = listed(str(tmp_path / "a.h5"))

    def refusal(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "unlink", refusal)
    monkeypatch.setattr(Path, "unlink", refusal)
    with pytest.raises(NotWritten, match=r"a\.h5 cannot be removed: Operation not permitted"):
        AnyStorage().remove(file)


def test_other_schemes_are_told() -> None:
    with pytest.raises(NotWritten, match=r"s3://b/a\.h5 cannot be removed"):
        AnyStorage().remove(StoredFile("s3://b/a.h5", 1, 1.0, "1", finished=True))


@pytest.mark.parametrize("name", ["[a].h5", "a*?.h5", "[!x]", "a[", "]", "[[]", "^[^a]"])
def test_a_name_taken_literally_matches_itself_alone(name: str, tmp_path: Path) -> None:
    wanted = matcher(literally(f"gs://b/{name}"))
    assert wanted.match(f"gs://b/{name}")
    assert not wanted.match("gs://b/a.h5")
    for each in (name, "a.h5", "ab.h5", "x"):
        (tmp_path / each).write_bytes(b"")
    assert [file.uri for file in listed(str(tmp_path / name))] == [str(tmp_path / name)]
