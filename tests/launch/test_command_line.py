"""What every command promises about how it ends."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import typer

from launch.command_line import CommandRefused, run


def command(body: Callable[[], object]) -> typer.Typer:
    """A program of one command, with the option `--count`."""
    app = typer.Typer(add_completion=False)

    @app.command()
    def only(count: int = 1) -> object:
        return body()

    return app


def raising(error: BaseException) -> Callable[[], object]:
    def body() -> object:
        raise error

    return body


@pytest.mark.parametrize("arguments", [["--colour"], ["--count=many"], ["--count"], ["extra"]])
def test_a_usage_error_is_one_line_and_exit_code_2(arguments: list[str], capsys) -> None:
    assert run(command(lambda: None), arguments) == 2

    captured = capsys.readouterr()
    [line] = captured.err.splitlines()
    assert line.startswith("error: ")
    assert arguments[0].partition("=")[0] in line
    assert captured.out == ""


def test_a_launch_error_is_one_line_and_exit_code_2(capsys) -> None:
    assert run(command(raising(CommandRefused("no such\nfile"))), []) == 2
    assert capsys.readouterr().err == "error: no such file\n"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (lambda: None, 0),
        (lambda: 3, 3),
        (raising(typer.Exit(4)), 4),
        (raising(KeyboardInterrupt()), 130),
        (raising(typer.Abort()), 130),
    ],
    ids=["nothing", "a number", "typer.Exit", "an interrupt", "typer.Abort"],
)
def test_a_command_chooses_its_exit_code(body: Callable[[], object], code: int, capsys) -> None:
    assert run(command(body), []) == code
    assert capsys.readouterr().err == ""


def test_a_fault_of_the_program_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        run(command(lambda: 1 // 0), [])


def test_a_call_for_help_is_no_error(capsys) -> None:
    assert run(command(lambda: None), ["--help"]) == 0
    assert "--count" in capsys.readouterr().out


def test_a_program_of_several_commands_called_without_one_shows_its_help(capsys) -> None:
    app = typer.Typer(add_completion=False, no_args_is_help=True)
    app.command("one")(lambda: None)
    app.command("two")(lambda: None)

    assert run(app, []) == 2
    captured = capsys.readouterr()
    assert "one" in captured.out
    assert captured.err == "error: name a command\n"
