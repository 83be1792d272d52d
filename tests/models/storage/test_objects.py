"""Objects that are made once, or compared and swapped: the same promises on a disk and in a bucket."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.storage import local_objects
from models.storage.errors import InvalidAddress, StorageUnavailable
from models.storage.objects import MOST_OBJECT_BYTES, ObjectStore
from models.storage.schemes import AnyStorage
from tests.launch.storage_server import BUCKET, StorageServer, storage_server

NAME = "live/one.json"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StorageServer]:
    with storage_server() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.address)
        yield server


@pytest.fixture(params=["disk", "bucket"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], ObjectStore]:
    """Opens the same objects anew, as another process does."""
    if request.param == "bucket":
        request.getfixturevalue("server")
    address = str(tmp_path / "registry") if request.param == "disk" else f"gs://{BUCKET}/hotswap/registry/"
    return lambda: AnyStorage().objects(address)


def test_what_is_written_is_read_by_others_with_its_version(opened: Callable[[], ObjectStore]) -> None:
    assert opened().read(NAME) is None
    version = opened().swap(NAME, b"first", None)
    found = opened().read(NAME)
    assert found is not None
    assert found == (b"first", version)


def test_an_object_is_made_once(opened: Callable[[], ObjectStore]) -> None:
    assert opened().swap(NAME, b"first", None)
    assert opened().swap(NAME, b"second", None) is None
    found = opened().read(NAME)
    assert found is not None
    assert found.data == b"first"


def test_only_who_has_seen_the_latest_replaces_it(opened: Callable[[], ObjectStore]) -> None:
    first = opened().swap(NAME, b"first", None)
    second = opened().swap(NAME, b"second", first)
    assert second
    assert opened().swap(NAME, b"late", first) is None
    assert not opened().remove(NAME, first or "")
    found = opened().read(NAME)
    assert found is not None
    assert found.data == b"second"


def test_what_was_removed_can_be_made_again(opened: Callable[[], ObjectStore]) -> None:
    version = opened().swap(NAME, b"first", None)
    assert opened().remove(NAME, version or "")
    assert opened().read(NAME) is None
    assert not opened().remove(NAME, version or "")
    assert opened().swap(NAME, b"again", None)


def test_what_nobody_needs_is_removed_whatever_it_is(opened: Callable[[], ObjectStore]) -> None:
    opened().swap(NAME, b"first", None)
    assert opened().remove(NAME, None)
    assert opened().read(NAME) is None
    assert not opened().remove(NAME, None)


def test_of_many_who_swap_at_once_one_wins_each_time(opened: Callable[[], ObjectStore]) -> None:
    opened().swap(NAME, b"0 nobody", None)
    won: list[int] = []

    def add_one(writer: int) -> None:
        objects = opened()
        for _ in range(5):
            while True:
                found = objects.read(NAME)
                assert found is not None
                number = int(found.data.split()[0])
                if objects.swap(NAME, b"%d %d" % (number + 1, writer), found.version):
                    won.append(writer)
                    break

    writers = [threading.Thread(target=add_one, args=(number,)) for number in range(4)]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    found = opened().read(NAME)
    assert found is not None
    assert int(found.data.split()[0]) == len(won) == 20


def test_names_are_listed_below_a_folder(opened: Callable[[], ObjectStore]) -> None:
    for name in ("live/a.json", "live/b.json", "verdicts/c.json"):
        opened().swap(name, b"{}", None)
    assert sorted(opened().names("live/")) == ["live/a.json", "live/b.json"]
    assert opened().names("nothing/") == []


def test_files_come_back_whole_within_a_limit(opened: Callable[[], ObjectStore], tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(3 << 20))
    opened().upload(source, "compiled/a.tar")
    opened().upload(source, "compiled/a.tar")
    opened().download("compiled/a.tar", target, 3 << 20)
    assert target.read_bytes() == source.read_bytes()
    with pytest.raises(ValueError, match="larger than"):
        opened().download("compiled/a.tar", target, (3 << 20) - 1)
    with pytest.raises(FileNotFoundError):
        opened().download("compiled/b.tar", target, 1)


@pytest.mark.parametrize("size", [0, MOST_OBJECT_BYTES + (1 << 20)], ids=["empty", "huge"])
def test_what_is_empty_or_huge_is_read_in_part_and_can_be_replaced(
    opened: Callable[[], ObjectStore], size: int, tmp_path: Path
) -> None:
    (tmp_path / "planted").write_bytes(bytes(size))
    opened().upload(tmp_path / "planted", NAME)
    found = opened().read(NAME)
    assert found is not None
    assert len(found.data) == min(size, MOST_OBJECT_BYTES + 1)
    assert opened().swap(NAME, b"{}", found.version)


@pytest.mark.parametrize("address", ["s3://bucket/registry", "gs://bucket", "gs:///registry"])
def test_an_address_that_can_hold_none_is_refused(address: str) -> None:
    with pytest.raises(InvalidAddress):
        AnyStorage().objects(address)


@pytest.mark.parametrize(
    "plant",
    [
        os.mkfifo,
        Path.mkdir,
        lambda path: (path / "with").mkdir(parents=True),
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to("nowhere"),
        lambda path: path.open("wb").truncate(1 << 40),
    ],
    ids=["a pipe", "a folder", "a folder with another", "a device", "nothing", "a terabyte of holes"],
)
def test_whatever_lies_in_place_of_an_object_holds_nobody_up_and_is_replaced(
    tmp_path: Path, plant: Callable[[Path], object]
) -> None:
    objects = AnyStorage().objects(str(tmp_path))
    (tmp_path / "live").mkdir()
    plant(tmp_path / NAME)
    found = objects.read(NAME)
    assert objects.swap(NAME, b"{}", found.version if found else None)
    found = objects.read(NAME)
    assert found is not None
    assert found.data == b"{}"
    assert list(objects.names("live/")) == [NAME]


def test_a_lock_that_somebody_holds_is_not_waited_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_objects, "_LONGEST_WAIT_SECONDS", 0.05)
    objects = AnyStorage().objects(str(tmp_path))
    with (tmp_path / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StorageUnavailable, match="held the lock"):
            objects.swap(NAME, b"{}", None)
    assert objects.swap(NAME, b"{}", None)


def test_a_bucket_that_does_not_answer_is_told_as_that(server: StorageServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    objects = AnyStorage().objects(f"gs://{BUCKET}/registry")
    with pytest.raises(StorageUnavailable, match="does not answer"):
        objects.read(NAME)
    with pytest.raises(StorageUnavailable, match="does not answer"):
        objects.swap(NAME, b"", None)


def test_reading_an_object_of_a_bucket_is_one_request(server: StorageServer) -> None:
    objects = AnyStorage().objects(f"gs://{BUCKET}/registry")
    objects.swap(NAME, b"{}", None)
    before = server.reads
    assert objects.read(NAME)
    assert server.reads - before == 1
