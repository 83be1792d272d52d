"""The arguments that the verbs about a fleet have in common, and how they open it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import URL

from fleet.errors import StoreUnusable
from fleet.fleet import Fleet
from fleet.kept_twins import kept_twins
from fleet.settings import default_shelf
from fleet.store.database import database_url
from launch.any_storage import any_storage
from launch.command_line import CommandRefused
from models.releasing.packaging import read_shelf

Database = Annotated[
    str,
    typer.Option(metavar="URL", help="The fleet's: a file (SQLite), sqlite:///FILE, or postgresql://HOST/NAME."),
]


def _place(asked: str | None) -> str | None:
    return None if asked is None else read_shelf(asked)


Shelf = Annotated[
    str | None,
    typer.Option(
        metavar="PLACE",
        callback=_place,
        help="Where components go, kept for the next time: a folder (NAME.shelf beside the database), or gs://, s3://, "
        "az://.",
    ),
]


def open_fleet(database: str, *, make: bool = False) -> Fleet:
    """The fleet of `--database`, to be closed.

    Args:
        database: as `Fleet` takes it.
        make: whether a file that is not there is made; else it is a slip of the pen.

    Raises:
        CommandRefused: it is no address of a database, or there is no such file or folder.
        StoreUnusable: it cannot be opened.
    """
    file = database_file(database)
    if file is not None and not file.parent.is_dir():
        raise CommandRefused(f"--database {file}: there is no folder {file.parent}")
    if file is not None and not make and not file.exists():
        made = "`hotswap fleet add` and `hotswap fleet serve` make one"
        raise CommandRefused(f"there is no database {file}; {made}")
    return Fleet(database, twins=lambda opened: kept_twins(opened, any_storage()))


def _url(database: str) -> URL:
    try:
        return database_url(database)
    except StoreUnusable as error:
        raise CommandRefused(str(error)) from error


def database_file(database: str) -> Path | None:
    """The file of `--database`; None where it is on a server.

    Raises:
        CommandRefused: it is no address of a database.
    """
    url = _url(database)
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


IN_DATABASE, IN_HUB = "database", "azure"


def keep_twins(database: str, where: str | None, public_url: str | None) -> None:
    """Remembers what `--twins` and `--public-url` say, for all who open the fleet from now on.

    Args:
        database: its address.
        where: `database`, `azure`, or `azure:FILE`; None where it is not given.
        public_url: where devices reach the server; None where it is not given.

    Raises:
        CommandRefused: no twins are kept there, or it is no address of a database.
        StoreUnusable: the database does not answer.
    """
    scheme, _, file = (IN_DATABASE if where is None else where).partition(":")
    if scheme not in (IN_DATABASE, IN_HUB) or (scheme == IN_DATABASE and file):
        raise CommandRefused(
            f"--twins {ascii(where)[:100]} keeps none: `database`, `azure` or `azure:FILE` is expected"
        )
    _url(database)
    with Fleet(database) as fleet:
        if where is not None:
            hub = f"{IN_HUB}:{Path(file).absolute()}" if file else IN_HUB
            fleet.settings.keep_twins(None if scheme == IN_DATABASE else hub)
        if public_url is not None:
            fleet.settings.keep_public_url(public_url)


def require_reachable(fleet: Fleet, shelf: str) -> None:
    """Refuses twins in a hub whose addresses would lead nowhere.

    Args:
        fleet: whose twins they are.
        shelf: where archives go.

    Raises:
        CommandRefused: devices ask the hub, and nobody has said where they reach the server.
    """
    if fleet.settings.twins() is not None and "://" not in shelf and fleet.settings.public_url() is None:
        raise CommandRefused(
            "a hub's twins hold addresses: say by --public-url where devices reach this server, or --shelf in a bucket"
        )


def shelf_of(fleet: Fleet, database: str, asked: str | None) -> str:
    """Where archives of components go: where it is asked for, which is kept; else where they went before.

    Args:
        fleet: whose they are.
        database: its address.
        asked: `--shelf`; None where it is not given.

    Returns:
        an absolute folder, or an address in a bucket.

    Raises:
        CommandRefused: nobody said so yet, and the database is no file beside which they could be.
        ReleaseError: it is no place for them.
        StoreUnusable: the database does not answer.
    """
    kept = fleet.settings.shelf()
    place = asked or kept or default_shelf(database)
    if place is None:
        raise CommandRefused("say by --shelf where components go, once: a folder, gs://, s3:// or az://")
    place = read_shelf(place)
    if "://" not in place:
        place = str(Path(place).absolute())
    if place != kept:
        fleet.settings.keep_shelf(place)
    return place
