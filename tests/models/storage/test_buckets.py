"""Files at s3:// and az:// are made once and read, by storage that really compares."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from models.storage.errors import InvalidAddress, NameTaken, NotWritten, StorageUnavailable
from models.storage.schemes import AnyStorage
from tests.models.storage.other_buckets import azure_container, s3_bucket


@pytest.fixture(params=["s3", "az"], scope="module")
def bucket(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("azurite")
        with s3_bucket(patch) if request.param == "s3" else azure_container(patch, folder) as address:
            yield address


def local(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "local"
    path.write_bytes(data)
    return path


def read(uri: str) -> bytes:
    with closing(AnyStorage().open(uri)) as file:
        return b"".join(iter(lambda: file.read(3), b""))


def test_a_file_is_there_once_it_was_put(bucket: str, tmp_path: Path) -> None:
    uri = f"{bucket}/folder/put.zip"
    told: list[int] = []
    assert not AnyStorage().exists(uri)

    AnyStorage().put(local(tmp_path, b"0123456789"), uri, told.append)

    assert AnyStorage().exists(uri)
    assert (read(uri), sum(told)) == (b"0123456789", 10)


def test_no_file_is_replaced(bucket: str, tmp_path: Path) -> None:
    uri = f"{bucket}/folder/once.zip"
    AnyStorage().put(local(tmp_path, b"first"), uri, lambda size: None)

    with pytest.raises(NameTaken):
        AnyStorage().put(local(tmp_path, b"second"), uri, lambda size: None)
    assert read(uri) == b"first"


def test_an_upload_that_was_repeated_meets_itself(bucket: str, tmp_path: Path) -> None:
    uri = f"{bucket}/folder/again.zip"
    for _ in range(2):
        AnyStorage().put(local(tmp_path, b"same"), uri, lambda size: None)

    assert read(uri) == b"same"


def test_what_is_not_there_is_told_so(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"):
        AnyStorage().open(f"{bucket}/absent.zip")
    with pytest.raises(NotWritten, match="there is no such bucket"):
        AnyStorage().put(local(tmp_path, b"x"), f"{bucket}-absent/x", lambda size: None)


@pytest.mark.parametrize("uri", ["s3://", "s3://bucket", "s3://bucket/", "az://container", "s3://b/*.zip"])
def test_an_address_that_names_no_file_is_refused(uri: str) -> None:
    with pytest.raises(InvalidAddress, match="BUCKET/NAME"):
        AnyStorage().exists(uri)


def test_a_storage_that_is_not_there_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    with pytest.raises(StorageUnavailable, match="cannot be read") as trouble:
        AnyStorage().exists("s3://bucket/x")
    assert "\n" not in str(trouble.value)


def test_an_account_that_nobody_named_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)

    with pytest.raises(StorageUnavailable, match="set AZURE_STORAGE_ACCOUNT_NAME"):
        AnyStorage().exists("az://container/x")
