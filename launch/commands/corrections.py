"""`hotswap corrections`: what people corrected on the page, as a folder or one file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from databases.addresses import database_url
from databases.errors import StoreUnusable
from launch.command_line import OK, CommandFailed, CommandRefused
from launch.named_path import named_path
from launch.printing import PlainConsole, say
from launch.waiting import working
from studio.errors import StudioRefused
from studio.places import Places
from studio.store.corrections import Corrections
from studio.store.tables import SCHEMA

app = typer.Typer(add_completion=False)

_ALL = 1_000_000_000


@app.command()
def corrections(
    destination: Annotated[
        Path, typer.Argument(metavar="DESTINATION", help="A folder, or a file that ends in .parquet or .zip.")
    ],
    database: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The studio's: a file (SQLite), sqlite:///FILE, or postgresql://HOST/NAME."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            parser=named_path,
            metavar="DIR",
            help="The studio's, whose database is in it; as of `hotswap studio`.",
        ),
    ] = None,
) -> int:
    """Writes the corrections of a studio: images and corrections.jsonl into a folder, or all of it into one file.

    An export that is there already is replaced once the new one is whole. The studio may run meanwhile.
    """
    if database is not None and folder is not None:
        raise CommandRefused("--database or --folder says where corrections are, not both")
    if not destination.absolute().parent.is_dir():
        raise CommandRefused(f"{destination}: there is no folder {destination.absolute().parent}")
    with Corrections.open(_address(database, folder)) as opened:
        writers = {".zip": opened.write_zip, ".parquet": opened.write_parquet}
        write = writers.get(destination.suffix.lower())
        try:
            with working(PlainConsole(stderr=True), f"writing {destination}"):
                count = opened.export(destination, _ALL) if write is None else _write_whole(write, destination)
        except StudioRefused as error:
            raise CommandRefused(str(error)) from error
        except ModuleNotFoundError as error:
            raise CommandFailed(
                f"{destination} needs {error.name}: pip install 'hotswap-inference[studio]', or write a folder or .zip"
            ) from error
        except OSError as error:
            raise CommandFailed(f"{destination} cannot be written: {error.strerror or error}") from error
    say(f"{destination}: {count} correction{'' if count == 1 else 's'}")
    return OK


def _address(database: str | None, folder: Path | None) -> str:
    """Of a database that is there: one that is made here would be empty.

    Raises:
        CommandRefused: there is no such file, or it is no address of a database.
    """
    address = database if database is not None else str(_places(folder).database)
    try:
        url = database_url(address, SCHEMA.owner)
    except StoreUnusable as error:
        raise CommandRefused(str(error)) from error
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        raise CommandRefused(f"there is no database {url.database}; --folder says where `hotswap studio` keeps its own")
    return address


def _places(folder: Path | None) -> Places:
    root = folder if folder is not None else Places.usual_root()
    return Places(root, root / "models")


def _write_whole(write: Callable[[BinaryIO], int], destination: Path) -> int:
    """Writes a file beside, and names it once it is whole."""
    if destination.is_dir():
        raise CommandRefused(f"{destination} is a folder; name a file, or a folder without this ending")
    with tempfile.TemporaryDirectory(prefix=f".{destination.name}.", dir=destination.absolute().parent) as beside:
        whole = Path(beside) / "whole"
        with whole.open("wb") as file:
            count = write(file)
        whole.replace(destination)
    return count
