"""What the command `hotswap` promises, whichever of its commands is called."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from launch.cli import SUMMARIES, app
from launch.command_line import run

ROOT = Path(__file__).parents[2]
HEAVY = ("apache_beam", "tensorflow", "keras", "numpy", "h5py", "onnxruntime", "google.cloud.storage", "grpc")


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "launch.cli", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "launch.command_line" in imported
    assert imported.isdisjoint(HEAVY)
    for name, summary in SUMMARIES.items():
        assert f" {name} " in done.stdout
        assert summary in done.stdout


def test_an_interrupt_while_it_begins_is_no_traceback() -> None:
    program = """
import runpy, sys

class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == "launch.command_line":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted())
runpy.run_module("launch.cli", run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "")


def test_called_without_a_command_it_shows_its_help_and_answers_2(capsys) -> None:
    assert run(app, []) == 2
    captured = capsys.readouterr()
    assert "rollback" in captured.out
    assert captured.err == "error: name a command\n"


def test_it_tells_its_version(capsys) -> None:
    assert run(app, ["--version"]) == 0
    assert capsys.readouterr().out.startswith("hotswap")


def test_a_misspelt_command_is_one_line_with_what_was_meant(capsys) -> None:
    assert run(app, ["publsh"]) == 2
    captured = capsys.readouterr()
    [line] = captured.err.splitlines()
    assert "'publish'" in line
    assert captured.out == ""


@pytest.mark.parametrize("name", SUMMARIES)
def test_each_verb_has_a_file_of_its_own_and_options(name: str, capfd) -> None:
    assert run(app, [name, "--help"]) == 0
    assert "--help" in capfd.readouterr().out


def test_every_file_of_the_verbs_is_a_verb() -> None:
    found = (ROOT / "launch" / "commands").iterdir()
    files = {path.stem for path in found if path.suffix == ".py" or (path / "__init__.py").exists()} - {"__init__"}
    assert files == set(SUMMARIES)


@pytest.mark.parametrize("name", ["local", "dataflow"])
def test_python_m_is_the_same_as_the_verb(name: str) -> None:
    command = [sys.executable, "-m", f"launch.{name}", "--colour=1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")


def test_a_misspelt_option_of_a_verb_is_one_line(capsys) -> None:
    assert run(app, ["local", "--colour"]) == 2
    assert "--colour" in capsys.readouterr().err


def test_a_verb_that_lacks_a_package_names_it(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "launch.commands.vet", raising=False)
    monkeypatch.setitem(sys.modules, "numpy", None)
    monkeypatch.setitem(sys.modules, "launch.model_report", None)
    assert run(app, ["vet"]) == 2
    assert "hotswap vet needs the package" in capsys.readouterr().err


def test_a_verbs_exit_code_is_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    module = type(sys)("launch.commands.bench")
    module.app = typer.Typer()  # type: ignore[attr-defined]
    module.app.command()(lambda: 7)
    monkeypatch.setitem(sys.modules, "launch.commands.bench", module)
    assert run(app, ["bench"]) == 7


def test_the_bench_runs_by_its_installed_name_from_any_folder(tmp_path: Path) -> None:
    hotswap = Path(sys.executable).with_name("hotswap")
    done = subprocess.run([hotswap, "bench", "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--quick" in done.stdout
