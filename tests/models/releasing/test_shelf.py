"""What lies on a shelf stays as it is, whoever else puts something there meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.releasing.shelf import Shelved, VersionTaken, missing, put_once
from models.storage.schemes import AnyStorage


def shelved(tmp_path: Path, name: str, data: bytes) -> Shelved:
    path = tmp_path / f"made-{name}"
    path.write_bytes(data)
    return Shelved("cats 1.0.0", path, str(tmp_path / "shelf" / name))


def meanwhile(file: Shelved, data: bytes) -> None:
    Path(file.uri).parent.mkdir(exist_ok=True)
    Path(file.uri).write_bytes(data)


def test_who_is_second_with_the_same_bytes_has_what_it_wanted(tmp_path: Path) -> None:
    file = shelved(tmp_path, "c.zip", b"one")
    lacking = missing(AnyStorage(), [file])
    meanwhile(file, b"one")

    put_once(AnyStorage(), lacking, lambda file: lambda size: None)

    assert missing(AnyStorage(), [file]) == []


def test_who_is_second_with_other_bytes_is_told_and_changes_nothing(tmp_path: Path) -> None:
    archive, recipe = shelved(tmp_path, "c.zip", b"one"), shelved(tmp_path, "recipe.yaml", b"one")
    lacking = missing(AnyStorage(), [archive, recipe])
    meanwhile(archive, b"two")

    with pytest.raises(VersionTaken, match=r"cats 1\.0\.0 is there"):
        put_once(AnyStorage(), lacking, lambda file: lambda size: None)
    assert Path(archive.uri).read_bytes() == b"two"
    assert not Path(recipe.uri).exists()


def test_another_signature_of_the_same_bytes_is_no_other_version(tmp_path: Path) -> None:
    signature = shelved(tmp_path, "c.zip.sig", b"one")
    meanwhile(signature, b"two")

    assert missing(AnyStorage(), [signature]) == []
