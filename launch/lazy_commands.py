"""Commands under one name, each a module of its own that is imported only when it is called."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import typer
from typer.core import TyperGroup

from launch.command_line import CommandRefused


def lazy_commands(package: str, program: str, summaries: Mapping[str, str]) -> type[TyperGroup]:
    """A group that shows its commands without importing them, and imports the one that is called.

    Args:
        package: whose modules, named as the commands are, have one Typer application `app` each.
        program: what is typed before a command's name.
        summaries: a line for each command, in the order of the help.
    """

    class LazyCommands(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            for name, summary in summaries.items():
                self.add_command(_placeholder(name, summary))

        def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
            """The command that `args` begin with, imported.

            Raises:
                CommandRefused: its module, or something that it needs, is not installed.
            """
            name, command, rest = super().resolve_command(ctx, args)
            return name, command if name is None else _imported(package, program, name), rest

    return LazyCommands


def _placeholder(name: str, summary: str) -> Any:
    stand_in = typer.Typer(add_completion=False)
    stand_in.command(name, help=summary)(lambda: None)
    return typer.main.get_command(stand_in)


def _imported(package: str, program: str, name: str) -> Any:
    try:
        module = importlib.import_module(f"{package}.{name}")
    except ModuleNotFoundError as error:
        remedy = "`hotswap doctor` says what to do"
        raise CommandRefused(f"{program} {name} needs the package {error.name}; {remedy}") from error
    command = typer.main.get_command(module.app)
    command.name = name
    return command
