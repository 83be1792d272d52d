"""What a fleet keeps of how it is served: its shelf, its twins, and the key by which addresses are signed."""

from __future__ import annotations

import secrets
from pathlib import Path

from fleet.store.database import Database, database_url
from fleet.store.keeping import keep, kept
from fleet.store.tables import settings

_SHELF, _TWINS, _PUBLIC_URL, _URL_KEY = "shelf", "twins", "public_url", "url_key"


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
        return self._kept(_SHELF)

    def keep_shelf(self, shelf: str) -> None:
        """Has archives be put there from now on. Those that are elsewhere stay where they are, and are served.

        Raises:
            StoreUnusable: as of `shelf`.
        """
        self._keep(_SHELF, shelf)

    def twins(self) -> str | None:
        """Which hub keeps twins, as `fleet.azure_twins.open_twins` takes it; None: the database itself.

        Raises:
            StoreUnusable: as of `shelf`.
        """
        return self._kept(_TWINS)

    def keep_twins(self, where: str | None) -> None:
        """Has twins be kept there from now on. What devices are to run is written there by and by.

        Raises:
            StoreUnusable: as of `shelf`.
        """
        self._keep(_TWINS, where)

    def public_url(self) -> str | None:
        """Where devices reach the server, as it was told last; None where nobody said so.

        Raises:
            StoreUnusable: as of `shelf`.
        """
        return self._kept(_PUBLIC_URL)

    def keep_public_url(self, url: str) -> None:
        """Remembers where devices reach the server.

        Raises:
            StoreUnusable: as of `shelf`.
        """
        self._keep(_PUBLIC_URL, url)

    def url_key(self) -> bytes:
        """The key by which addresses are signed: 32 random bytes, made once for each database.

        Raises:
            StoreUnusable: as of `shelf`.
        """
        key = self._kept(_URL_KEY)
        if key is None:
            with self._database.deciding() as connection:
                key = kept(connection, settings, _URL_KEY)  # another process may have been faster
                if key is None:
                    key = secrets.token_hex(32)
                    keep(connection, settings, _URL_KEY, key)
        return bytes.fromhex(key)

    def _kept(self, key: str) -> str | None:
        with self._database.reading() as connection:
            return kept(connection, settings, key)

    def _keep(self, key: str, value: str | None) -> None:
        with self._database.writing() as connection:
            keep(connection, settings, key, value)


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
