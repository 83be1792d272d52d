"""What `hotswap doctor` promises: every finding that is not ok comes with its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from launch.cli import app
from launch.command_line import run
from launch.doctor import checks
from launch.doctor.findings import Finding


def test_a_fit_machine_is_told_so_line_by_line(capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    assert run(app, ["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= len(checks.CHECKS) - 1
    assert all(line.startswith(("ok   ", "warn ")) for line in lines)
    assert all(" → " in line for line in lines if line.startswith("warn"))
    assert any("vetting works" in line for line in lines)


def test_one_failed_check_makes_the_exit_code_1(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    findings = [Finding("ok", "fine"), Finding("fail", "[broken]", "mend it")]
    monkeypatch.setattr(checks, "CHECKS", {"all": lambda: iter(findings)})
    assert run(app, ["doctor"]) == 1
    assert capsys.readouterr().out == "ok   fine\nfail [broken] → mend it\n"
