"""The commands about models, run in a folder of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from launch.cli import app
from launch.command_line import run
from tests.launch.commands.hotswap_command import Command, Outcome


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def hotswap(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Runs a command in a folder of its own; compiled models are shared by all tests."""
    monkeypatch.setenv("HOTSWAP_CACHE", str(cache))
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = run(app, arguments)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return command
