"""What a fleet keeps of how it is served: where the archives of its components are put."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import delete, insert, select

from fleet.store.database import Database, database_url
from fleet.store.tables import settings

_SHELF = "shelf"


class Settings:
    """The settings of a fleet. Any thread may use it.

    Args:
        database: that holds them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def shelf(self) -> str | None:
        """Where archives are put: an absolute folder, or an address in a bucket; None before anybody said so.

        Raises:
            StoreUnusable: the database does not answer.
        """
        with self._database.reading() as connection:
            query = select(settings.c.value).where(settings.c.key == _SHELF)
            return connection.execute(query).scalar_one_or_none()

    def keep_shelf(self, shelf: str) -> None:
        """Has archives be put there from now on. Those that are elsewhere stay where they are, and are served.

        Raises:
            StoreUnusable: as of `shelf`.
        """
        with self._database.writing() as connection:
            connection.execute(delete(settings).where(settings.c.key == _SHELF))
            connection.execute(insert(settings).values(key=_SHELF, value=shelf))


def default_shelf(address: str) -> str | None:
    """Where archives are put unless told otherwise: beside a database that is a file; None for one on a server.

    Args:
        address: of the database, as `Fleet` takes it.

    Returns:
        an absolute folder: `/var/lib/fleet.shelf` for `/var/lib/fleet.db`.

    Raises:
        StoreUnusable: it is no address of a database.
    """
    url = database_url(address)
    if url.get_backend_name() != "sqlite" or url.database is None:
        return None
    path = Path(url.database).absolute()
    return str(path.with_suffix(".shelf"))
