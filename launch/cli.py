"""`hotswap`: every command of this project under one name, each imported only when it is called."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from launch.command_line import CommandRefused, run
from models.version import VERSION

SUMMARIES = {
    "vet": "Prove that a model file can be served, and say what it is.",
    "publish": "Vet a model and put it where jobs find it.",
    "package": "Make components of models, for devices.",
    "models": "List models: live, valid, rejected and why.",
    "rollback": "Make an earlier model live again.",
    "remove": "Take a model away, with all that was made of it.",
    "doctor": "Check that this machine has what the project needs.",
    "replay": "Publish the images of dead letters again.",
    "local": "Run the whole job on this machine.",
    "serve": "Answer over gRPC and HTTP by the live model.",
    "predict": "Ask a server what it sees in images.",
    "dataflow": "Run the job on Google Cloud Dataflow.",
    "bench": "Measure the job.",
}
"""The verbs, each a module of `launch.commands` with one Typer application `app`; a line each for `hotswap --help`,
where importing the module would take seconds."""


class LazyCommands(TyperGroup):
    """Shows the commands without importing them, and imports the one that is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, summary in SUMMARIES.items():
            self.add_command(_placeholder(name, summary))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that `args` begin with, imported.

        Raises:
            CommandRefused: its module, or something that it needs, is not installed.
        """
        name, command, rest = super().resolve_command(ctx, args)
        return name, _imported(name) if name in SUMMARIES else command, rest


app = typer.Typer(cls=LazyCommands, add_completion=False, no_args_is_help=True)


def _print_version(asked: bool) -> None:
    if not asked:
        return
    print(f"hotswap {VERSION}")
    raise typer.Exit


@app.callback()
def hotswap(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version, and end.")
    ] = False,
) -> None:
    """Streaming image inference whose model is replaced while it runs."""


def main(argv: Sequence[str] | None = None) -> None:
    """The entry point `hotswap`; `argv` is what follows the program's name, the process' own where None."""
    sys.exit(run(app, argv))


def _placeholder(name: str, summary: str) -> Any:
    stand_in = typer.Typer(add_completion=False)
    stand_in.command(name, help=summary)(lambda: None)
    return typer.main.get_command(stand_in)


def _imported(name: str) -> Any:
    try:
        module = importlib.import_module(f"launch.commands.{name}")
    except ModuleNotFoundError as error:
        remedy = "`hotswap doctor` says what to do"
        raise CommandRefused(f"hotswap {name} needs the package {error.name}; {remedy}") from error
    command = typer.main.get_command(module.app)
    command.name = name
    return command


if __name__ == "__main__":
    main()
