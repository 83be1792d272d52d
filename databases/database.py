"""Opening a database, and its transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from databases.addresses import database_url, shown_url
from databases.errors import StoreUnusable
from databases.migrating import migrate
from databases.postgresql import postgresql_engine
from databases.schema import Schema
from databases.sqlite import sqlite_engine
from models.errors import one_line


class Database:
    """An open database, of this version's tables. Any thread may use it; each transaction has a connection of its own.

    Args:
        address: as of `database_url`.
        schema: the tables, made or brought up to date.

    Raises:
        StoreUnusable: it cannot be opened, or is of a newer version.
    """

    def __init__(self, address: str, schema: Schema) -> None:
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
            try:
                with self.deciding() as connection:
                    migrate(connection, schema, self._shown)
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
        with self._told(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes: all of it happens at the end of the block, or, where that raises, nothing.

        Raises:
            StoreUnusable: the database does not answer.
        """
        with self._told(), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def deciding(self) -> Iterator[Connection]:
        """`writing`, and nobody else is in such a block meanwhile, in whatever process: what is read there stays so.

        Raises:
            StoreUnusable: the database does not answer.
        """
        with self.writing() as connection:
            # A writer of SQLite is alone anyway.
            if not self.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": self._schema.lock})
            yield connection

    def close(self) -> None:
        """Gives all connections back."""
        self._engine.dispose()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error, OSError, UnicodeError) as error:
            whose = f"the {self._schema.owner}'s database {self._shown}"
            raise StoreUnusable(f"{whose}: {self._reason(error)}") from error

    def _reason(self, error: Exception) -> str:
        cause = error.__cause__ if isinstance(error, SQLAlchemyError) and error.__cause__ is not None else error
        reason = one_line(cause) or type(cause).__name__
        for secret in self._secrets:
            reason = reason.replace(secret, "***")
        return reason
