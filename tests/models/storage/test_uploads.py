"""Writing over a file, here and at gs://: whoever reads it meanwhile reads the old bytes or the new, never a part."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.storage.errors import StorageUnavailable
from models.storage.schemes import AnyStorage
from tests.launch.storage_server import BUCKET, StorageServer, storage_server

FLEET, NAME = f"gs://{BUCKET}/fleet", "compiled.tar"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StorageServer]:
    with storage_server() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.address)
        yield server


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"new")
    return path


def test_a_local_file_is_made_with_its_folder(tmp_path: Path, source: Path) -> None:
    AnyStorage().objects(str(tmp_path / "not")).upload(source, "there/file")

    assert (tmp_path / "not/there/file").read_bytes() == b"new"


def test_who_reads_a_local_file_that_is_replaced_goes_on_reading_the_old_one(tmp_path: Path, source: Path) -> None:
    target = tmp_path / "folder/file"
    target.parent.mkdir()
    target.write_bytes(b"old")
    storage = AnyStorage()
    with contextlib.closing(storage.open(str(target))) as reading:
        storage.objects(str(tmp_path)).upload(source, "folder/file")

        assert reading.read(9) == b"old"
    assert target.read_bytes() == b"new"
    assert [path.name for path in target.parent.iterdir()] == ["file"]


def test_a_local_file_that_cannot_be_written_leaves_nothing(tmp_path: Path, source: Path) -> None:
    (tmp_path / "folder/file").mkdir(parents=True)

    with pytest.raises(StorageUnavailable, match="folder/file"):
        AnyStorage().objects(str(tmp_path)).upload(source, "folder/file")

    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["file"]


def test_an_object_is_made_and_replaced(server: StorageServer, source: Path) -> None:
    objects = AnyStorage().objects(FLEET)
    objects.upload(source, NAME)
    assert server.content("fleet/compiled.tar") == b"new"

    source.write_bytes(bytes(9 << 20))  # more than one request holds
    objects.upload(source, NAME)

    assert server.content("fleet/compiled.tar") == bytes(9 << 20)
    assert server.names() == ["fleet/compiled.tar"]


def test_a_bucket_that_does_not_answer_is_told(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")

    with pytest.raises(StorageUnavailable, match=r"compiled\.tar cannot be written: STORAGE_EMULATOR_HOST"):
        AnyStorage().objects(FLEET).upload(source, NAME)
