"""What `hotswap doctor` promises: every finding that is not ok comes with its remedy."""

from __future__ import annotations

import importlib.metadata
import socket
from pathlib import Path

import pytest

from launch.command_line import run
from launch.commands import doctor
from launch.commands.doctor import Finding


def test_a_fit_machine_is_told_so_line_by_line(capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    assert run(doctor.app, []) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= len(doctor.CHECKS) - 1
    assert all(line.startswith(("ok   ", "warn ")) for line in lines)
    assert all(" → " in line for line in lines if line.startswith("warn"))
    assert any("vetting works" in line for line in lines)


def test_one_failed_check_makes_the_exit_code_1(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    findings = [Finding("ok", "fine"), Finding("fail", "[broken]", "mend it")]
    monkeypatch.setattr(doctor, "CHECKS", {"all": lambda: iter(findings)})
    assert run(doctor.app, []) == 1
    assert capsys.readouterr().out == "ok   fine\nfail [broken] → mend it\n"


def test_a_package_out_of_its_range_or_absent_is_a_failure_that_names_the_range(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        importlib.metadata, "requires", lambda _: ["typer>=99", "no-such-package<2", "rich", "x; extra=='y'"]
    )
    outdated, absent = doctor.packages()
    assert (outdated.level, absent.level) == ("fail", "fail")
    assert "typer>=99" in outdated.remedy
    assert "no-such-package<2" in absent.remedy


def test_a_checkout_that_is_not_installed_is_held_against_its_setup_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_installed(name: str) -> list[str]:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", not_installed)
    assert {"keras", "typer", "apache-beam"} <= {requirement.name for requirement in doctor.requirements()}


def test_a_cache_that_cannot_be_written_is_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / "file" / "cache"))
    [finding] = doctor.cache()
    assert finding.level == "fail"
    assert "HOTSWAP_CACHE" in finding.remedy


def test_an_emulator_that_is_named_must_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as there:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{there.getsockname()[1]}")
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{there.getsockname()[1]}/")
        assert [finding.level for finding in doctor.emulators()] == ["ok", "ok"]
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "nonsense")
    assert [finding.level for finding in doctor.emulators()] == ["fail", "fail"]


def test_a_library_that_ends_the_process_is_a_finding_and_not_the_end() -> None:
    assert doctor.trouble_in("-c", "import os; os.abort()") == "exit code -6"
    assert doctor.trouble_in("-c", "raise ImportError('no libfoo')") == "ImportError: no libfoo"
    assert doctor.trouble_in("-c", "") == ""
