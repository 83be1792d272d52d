"""A studio is the same one after a restart, and none other is it."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.identity import studio_id


def test_a_folder_keeps_its_name_and_has_it_alone(tmp_path: Path) -> None:
    name = studio_id(tmp_path / "a")
    assert studio_id(tmp_path / "a") == name
    assert studio_id(tmp_path / "b") != name
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("broken", [b"", b"\xff" * 32, b"../../x"])
def test_a_file_that_holds_no_name_gets_one(tmp_path: Path, broken: bytes) -> None:
    (tmp_path / "a").write_bytes(broken)
    assert studio_id(tmp_path / "a") == studio_id(tmp_path / "a")
