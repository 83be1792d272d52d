"""What the command `hotswap` promises, whichever of its commands is called."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer

from launch.cli import COMMANDS, LazyCommand, app
from launch.command_line import run

ROOT = Path(__file__).parents[2]
HEAVY = ("apache_beam", "tensorflow", "keras", "numpy", "h5py", "onnxruntime", "google.cloud.storage", "grpc")


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from launch.cli import app; from launch.command_line import run; code = run(app, ['--help']);"
        f"print('heavy:', [name for name in {HEAVY} if name in sys.modules]); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "heavy: []"
    for name, command in COMMANDS.items():
        assert f" {name} " in done.stdout
        assert command.summary in done.stdout


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


@pytest.mark.parametrize("name", [name for name, command in COMMANDS.items() if command.module.startswith("launch.")])
def test_each_command_has_the_options_of_its_module(name: str, capsys) -> None:
    if find_spec(COMMANDS[name].module) is None:
        pytest.skip(f"{COMMANDS[name].module} is not written yet")
    assert run(app, [name, "--help"]) == 0
    assert "--help" in capsys.readouterr().out


def test_hotswap_local_takes_exactly_the_options_of_launch_local(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    from launch.local import local

    monkeypatch.setenv("COLUMNS", "200")
    assert run(app, ["local", "--help"]) == 0
    shown = capsys.readouterr().out
    for parameter in inspect.signature(local).parameters:
        assert f"--{parameter.replace('_', '-')} " in shown
    assert run(app, ["local", "--colour"]) == 2
    assert "--colour" in capsys.readouterr().err


def test_a_command_that_is_not_installed_is_one_line_and_code_2(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "bench", LazyCommand("no_such_package.bench", "", absent="runs from a checkout"))
    assert run(app, ["bench", "--anything"]) == 2
    assert capsys.readouterr().err == "error: hotswap bench runs from a checkout\n"


def test_a_command_that_lacks_a_package_names_it(capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "needy_command.py").write_text("import no_such_package.deep\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(COMMANDS, "bench", LazyCommand("needy_command", ""))
    assert run(app, ["bench"]) == 2
    assert "no_such_package" in capsys.readouterr().err


def test_a_commands_exit_code_is_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    module = type(sys)("answers_seven")
    module.app = typer.Typer()  # type: ignore[attr-defined]
    module.app.command()(lambda: 7)
    monkeypatch.setitem(sys.modules, "answers_seven", module)
    monkeypatch.setitem(COMMANDS, "bench", LazyCommand("answers_seven", ""))
    assert run(app, ["bench"]) == 7
