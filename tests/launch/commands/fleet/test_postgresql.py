"""What `hotswap fleet` promises on PostgreSQL: the same as on a file, with a shelf that is named once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.databases.postgresql import PostgreSQL
from tests.launch.commands.hotswap_command import Command, drop, error_line


@pytest.fixture
def address(postgresql: PostgreSQL) -> str:
    return postgresql.new_database()


def test_a_model_comes_to_devices_and_the_shelf_must_be_named_once(hotswap: Command, address: str) -> None:
    drop("digits.onnx")
    assert hotswap("fleet", "list", "--database", address).code == 0
    assert hotswap("fleet", "add", "robot-7", "--token-file", "token", "--database", address).code == 0

    unnamed = hotswap("fleet", "push", "digits.onnx", "--database", address)
    assert unnamed.code == 2
    assert "--shelf" in error_line(unnamed)
    named = hotswap("fleet", "push", "digits.onnx", "--shelf", "shelf", "--database", address)
    assert named.code == 0
    drop("digits.onnx", favours=2)
    assert hotswap("fleet", "push", "digits.onnx", "--database", address).code == 0

    (device,) = json.loads(hotswap("fleet", "list", "--database", address, "--json").out)
    assert [each["version"] for each in device["desired"]] == ["2.0.0"]
    assert Path("shelf/model/2.0.0/model-2.0.0-linux-x86_64.zip").is_file()
