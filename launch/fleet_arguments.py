"""The arguments that the verbs about a fleet have in common, and how they open it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fleet.errors import StoreUnusable
from fleet.fleet import Fleet
from fleet.store.database import database_url
from launch.command_line import CommandRefused

Database = Annotated[
    str,
    typer.Option(metavar="URL", help="The fleet's: a file (SQLite), sqlite:///FILE, or postgresql://HOST/NAME."),
]


def open_fleet(database: str, *, make: bool = False) -> Fleet:
    """The fleet of `--database`, to be closed.

    Args:
        database: as `Fleet` takes it.
        make: whether a file that is not there is made; else it is a slip of the pen.

    Raises:
        CommandRefused: it is no address of a database, or there is no such file.
        StoreUnusable: it cannot be opened.
    """
    try:
        url = database_url(database)
    except StoreUnusable as error:
        raise CommandRefused(str(error)) from error
    if not make and url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        made = "`hotswap fleet add` and `hotswap fleet serve` make one"
        raise CommandRefused(f"there is no database {url.database}; {made}")
    return Fleet(database)
