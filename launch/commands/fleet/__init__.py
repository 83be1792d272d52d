"""`hotswap fleet`: what the devices of a fleet are to run, and what they say that they do.

Each command is a module of this package, imported only when it is called.
"""

from __future__ import annotations

import typer

from launch.lazy_commands import lazy_commands

SUMMARIES = {
    "serve": "Follow the live model, and tell devices what to run.",
    "add": "Make a device, and its token.",
    "remove": "Take a device away; its token is worth nothing any more.",
    "assign": "Say what devices or groups run, and who is in a group.",
    "push": "Bring a model to devices now, in steps, or take it back.",
    "list": "List the devices: what each is to run, and what it runs.",
    "status": "Tell of one device, of the fleet, or of its rollouts.",
}
"""The commands, each a module of this package with one Typer application `app`; in the order of their use."""

app = typer.Typer(
    cls=lazy_commands("launch.commands.fleet", "hotswap fleet", SUMMARIES), add_completion=False, no_args_is_help=True
)


@app.callback()
def fleet() -> None:
    """Says what devices run, and sees that they do: `serve` tells them, the others write and read its database."""
