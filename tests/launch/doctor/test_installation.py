"""The interpreter and the packages are held against what this project states."""

from __future__ import annotations

import compileall
import importlib.metadata
import re
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from launch.code_version import ROOT
from launch.doctor.installation import bytecode, packages, python_version, requirements, supported_pythons


@pytest.fixture
def not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> NoReturn:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", absent)
    monkeypatch.setattr(importlib.metadata, "metadata", absent)


def test_this_python_is_fit() -> None:
    [finding] = python_version()
    assert finding.level == "ok"
    assert sys.executable in finding.what


@pytest.mark.parametrize("version", [(3, 10, 14), (3, 14, 0)])
def test_a_python_too_old_or_too_new_is_a_failure_that_names_the_range(
    version: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", (*version, "final", 0))
    [finding] = python_version()
    assert finding.level == "fail"
    assert "install Python 3.11 or newer, older than 3.14, then" in finding.remedy


@pytest.mark.usefixtures("not_installed")
def test_a_checkout_that_is_not_installed_is_held_against_its_setup_file() -> None:
    assert {"keras", "typer", "apache-beam"} <= {requirement.name for requirement in requirements()}
    [stated] = re.findall(r'python_requires="(.+)"', (ROOT / "setup.py").read_text())
    assert supported_pythons() == stated


def test_a_package_out_of_its_range_or_absent_is_a_failure_that_names_the_range(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        importlib.metadata, "requires", lambda _: ["typer>=99", "no-such-package<2", "rich", "x; extra=='y'"]
    )
    outdated, absent = packages()
    assert (outdated.level, absent.level) == ("fail", "fail")
    assert "typer>=99" in outdated.remedy
    assert "no-such-package<2" in absent.remedy


def test_libraries_without_bytecode_are_a_warning_until_they_are_compiled_as_it_says(tmp_path: Path) -> None:
    for name in ("keras", "tensorflow"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("x = 1\n")
    folders = [tmp_path / "keras", tmp_path / "tensorflow"]
    [finding] = bytecode(folders)
    assert finding.level == "warn"
    assert finding.what.startswith("0 of 2 modules")
    assert f"compileall -q {folders[0]} {folders[1]}" in finding.remedy
    assert compileall.compile_dir(tmp_path, quiet=1)
    assert [found.level for found in bytecode(folders)] == ["ok"]


def test_what_this_python_would_import_is_looked_at() -> None:
    [finding] = bytecode()
    assert "Keras and TensorFlow" in finding.what
