"""`hotswap`: every command of this project under one name, each imported only when it is called."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from launch.command_line import LaunchError, run

DISTRIBUTION = "hotswap-inference"


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """A command that its module provides.

    Attributes:
        module: has a Typer application `app`, whose only command this is, or whose command of this name.
        summary: one line for `hotswap --help`, where importing the module would take seconds.
        absent: what to say where the module is not installed.
    """

    module: str
    summary: str
    absent: str = "is not part of this installation"


COMMANDS = {
    "vet": LazyCommand("launch.model_commands", "Prove that a model file can be served, and say what it is."),
    "publish": LazyCommand("launch.model_commands", "Vet a model and put it where jobs find it."),
    "models": LazyCommand("launch.model_commands", "List models: live, valid, rejected and why."),
    "rollback": LazyCommand("launch.model_commands", "Make an earlier model live again."),
    "doctor": LazyCommand("launch.doctor", "Check that this machine has what the project needs."),
    "replay": LazyCommand("launch.replay", "Publish the images of dead letters again."),
    "local": LazyCommand("launch.local", "Run the whole job on this machine."),
    "dataflow": LazyCommand("launch.dataflow", "Run the job on Google Cloud Dataflow."),
    "bench": LazyCommand(
        "benchmarks.__main__", "Measure the job.", absent="runs from a checkout of the project, in its top folder"
    ),
}


class LazyCommands(TyperGroup):
    """Shows the commands without importing them, and imports the one that is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, command in COMMANDS.items():
            self.add_command(_placeholder(name, command.summary))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that `args` begin with, imported.

        Raises:
            LaunchError: its module, or something that it needs, is not installed.
        """
        name, command, rest = super().resolve_command(ctx, args)
        return name, _imported(name) if name in COMMANDS else command, rest


app = typer.Typer(cls=LazyCommands, add_completion=False, no_args_is_help=True)


def _print_version(asked: bool) -> None:
    if not asked:
        return
    try:
        print(f"hotswap {importlib.metadata.version(DISTRIBUTION)}")
    except importlib.metadata.PackageNotFoundError:
        print("hotswap, run from a checkout")
    raise typer.Exit


@app.callback()
def hotswap(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version, and end.")
    ] = False,
) -> None:
    """Streaming image inference whose model is replaced while it runs."""


def main() -> None:
    """The entry point `hotswap`."""
    sys.exit(run(app))


def _placeholder(name: str, summary: str) -> Any:
    stand_in = typer.Typer(add_completion=False)
    stand_in.command(name, help=summary)(lambda: None)
    return typer.main.get_command(stand_in)


def _imported(name: str) -> Any:
    lazy = COMMANDS[name]
    try:
        module = importlib.import_module(lazy.module)
    except ModuleNotFoundError as error:
        missing = error.name or lazy.module
        if lazy.module == missing or lazy.module.startswith(f"{missing}."):
            raise LaunchError(f"hotswap {name} {lazy.absent}") from error
        raise LaunchError(f"hotswap {name} needs the package {missing}; `hotswap doctor` says what to do") from error
    command = typer.main.get_command(module.app)
    return command.commands[name] if isinstance(command, TyperGroup) and name in command.commands else command


if __name__ == "__main__":
    main()
