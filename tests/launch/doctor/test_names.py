"""A user's own package of one of this project's names is told of, with a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from launch.code_version import ROOT
from launch.doctor.installation import names


@pytest.fixture(autouse=True)
def own_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return tmp_path


def package(folder: Path, name: str) -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").touch()


def test_a_package_of_our_name_here_is_a_warning(own_project: Path) -> None:
    package(own_project, "models")
    [finding] = names()
    assert finding.level == "warn"
    assert str(own_project / "models") in finding.what and "python -m" in finding.what
    assert "rename" in finding.remedy


def test_so_is_a_module_on_pythonpath(own_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = own_project / "src"
    elsewhere.mkdir()
    (elsewhere / "transforms.py").touch()
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{elsewhere}")
    [finding] = names()
    assert finding.level == "warn" and "PYTHONPATH" in finding.what


def test_a_plain_folder_and_the_checkout_itself_hide_nothing(
    own_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own_project / "models").mkdir()
    assert [finding.level for finding in names()] == ["ok"]
    monkeypatch.chdir(ROOT)
    assert [finding.level for finding in names()] == ["ok"]


def test_what_took_our_place_is_a_failure(own_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(own_project, "models")
    monkeypatch.setattr("models.__file__", str(own_project / "models" / "__init__.py"))
    assert {finding.level for finding in names()} == {"fail", "warn"}
