"""Opening a database, and its transactions."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError

from databases.addresses import database_url, shown_url
from databases.errors import StoreUnusable
from databases.migrating import migrate
from databases.postgresql import postgresql_engine
from databases.schema import Schema
from databases.sqlite import database_path, file_identity, sqlite_engine
from models.errors import one_line

_UNDEFINED_TABLE = "42P01"
"""PostgreSQL's word for it."""


class Database:
    """An open database, of this version's tables. Any thread may use it; each transaction has a connection of its own.

    It may go away and come back at any time: each transaction raises `StoreUnusable` meanwhile, none does afterwards.
    A file of SQLite that was removed is away until it, or another one, is put there; an empty one gets its tables, and
    so does a server's database that was dropped and made anew, once a transaction found that they are missing.

    Args:
        address: as of `database_url`.
        schema: the tables, made or brought up to date.
        at_once: whether it must be there already; else the first transaction opens it, and raises where it is not.

    Raises:
        StoreUnusable: it cannot be opened, or is of a newer version; or the address is none.
    """

    def __init__(self, address: str, schema: Schema, at_once: bool = True) -> None:
        self._schema = schema
        self._url = database_url(address, schema.owner)
        self._shown, self._secrets = shown_url(self._url)
        with self._told():
            self._engine = (
                sqlite_engine(self._url) if self.is_sqlite else postgresql_engine(self._url, f"hotswap-{schema.owner}")
            )
            self._writer = self._engine.execution_options(writes=True)
            # There each statement sees what it sees, in a transaction too: three journeys to the server are saved.
            self._reader = (
                self._engine if self.is_sqlite else self._engine.execution_options(isolation_level="AUTOCOMMIT")
            )
            self._preparing = threading.Lock()
            self._prepared: tuple[int, int] | str | None = None
            self._failed: tuple[float, str] | None = None
            try:
                if at_once:
                    self._prepare()
            except BaseException:
                self._engine.dispose()
                raise

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of this machine."""
        return self._url.get_backend_name() == "sqlite"

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that reads alone; on SQLite in one transaction.

        Raises:
            StoreUnusable: the database does not answer.
        """
        with self._told():
            self._prepare()
            with self._reader.connect() as connection:
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes: all of it happens at the end of the block, or, where that raises, nothing.

        Raises:
            StoreUnusable: the database does not answer.
        """
        with self._told():
            self._prepare()
            with self._writer.begin() as connection:
                yield connection

    @contextmanager
    def deciding(self) -> Iterator[Connection]:
        """`writing`, and nobody else is in such a block meanwhile, in whatever process: what is read there stays so.

        Raises:
            StoreUnusable: the database does not answer.
        """
        with self.writing() as connection:
            self._lock(connection)
            yield connection

    def close(self) -> None:
        """Gives all connections back."""
        self._engine.dispose()

    def _lock(self, connection: Connection) -> None:
        # A writer of SQLite is alone anyway.
        if not self.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": self._schema.lock})

    def _prepare(self) -> None:
        """Brings the tables up to date, once, and again where another file was put in the place of SQLite's."""
        if self._is_prepared(self._there()):
            return
        asked = time.monotonic()
        with self._preparing:
            there = self._there()
            if self._is_prepared(there):
                return
            # Who waits while another tries in vain would wait as long again, and so would each behind it.
            if self._failed is not None and self._failed[0] >= asked:
                raise StoreUnusable(self._failed[1])
            try:
                with self._told():
                    # Nobody goes on with a file that has no name any more.
                    self._engine.dispose()
                    with self._writer.begin() as connection:
                        self._lock(connection)
                        migrate(connection, self._schema, self._shown)
            except StoreUnusable as error:
                self._failed = (time.monotonic(), str(error))
                raise
            self._prepared = there

    def _there(self) -> tuple[int, int] | str | None:
        return file_identity(database_path(self._url)) if self.is_sqlite else "a server"

    def _is_prepared(self, there: tuple[int, int] | str | None) -> bool:
        return there is not None and there == self._prepared

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error, OSError, UnicodeError) as error:
            # The server is there, and the database on it another one: the next transaction makes its tables.
            if isinstance(error, ProgrammingError) and getattr(error.orig, "sqlstate", "") == _UNDEFINED_TABLE:
                self._prepared = None
            whose = f"the {self._schema.owner}'s database {self._shown}"
            raise StoreUnusable(f"{whose}: {self._reason(error)}") from error

    def _reason(self, error: Exception) -> str:
        cause = error.__cause__ if isinstance(error, SQLAlchemyError) and error.__cause__ is not None else error
        reason = one_line(cause) or type(cause).__name__
        for secret in self._secrets:
            reason = reason.replace(secret, "***")
        return reason
