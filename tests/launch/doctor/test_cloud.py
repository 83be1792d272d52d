"""What the environment names must be there."""

from __future__ import annotations

import socket

import pytest

from launch.doctor.cloud import emulators


def test_an_emulator_that_is_named_must_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as there:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{there.getsockname()[1]}")
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{there.getsockname()[1]}/")
        assert [finding.level for finding in emulators()] == ["ok", "ok"]
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "nonsense")
    assert [finding.level for finding in emulators()] == ["fail", "fail"]
