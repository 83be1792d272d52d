"""Opening the fleet's database, and its transactions."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from fleet.errors import StoreUnusable
from fleet.store.keeping import keep, kept
from fleet.store.migrating import migrate
from fleet.store.tables import marks
from models.errors import one_line

_BUSY_SECONDS = 30
"""How long a writer waits for others, who each write for milliseconds."""
_LINK = {
    "application_name": "hotswap-fleet",
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""By which PostgreSQL's client notices within half a minute that a server vanished: seconds, the last milliseconds."""
_LIMITS_MS = {
    "statement_timeout": 60_000,
    "lock_timeout": 1000 * _BUSY_SECONDS,
    "idle_in_transaction_session_timeout": 60_000,
}
"""Of PostgreSQL: nobody waits for ever, nor for a process that stands still in the middle."""
_LIMIT = "SELECT set_config(%s, %s, false) WHERE current_setting(%s) = '0'"
"""One of these, where neither the address nor the server's configuration says otherwise."""
_SECRET = re.compile("pass|secret|key", re.IGNORECASE)
"""In the names of what may stand behind an address and is not shown."""
_PLANS = "plans"
_PLANS_LOCK = 0x686F7473776170
"""PostgreSQL's number of the lock that `deciding` holds."""


class Database:
    """An open database, of this version's tables. Any thread may use it; each transaction has a connection of its own.

    Args:
        address: `sqlite:///fleet.db`, a path `fleet.db`, or `postgresql://USER:PASSWORD@HOST/NAME`.

    Raises:
        StoreUnusable: it cannot be opened, or is of a newer version.
    """

    def __init__(self, address: str) -> None:
        self._url = database_url(address)
        hidden = [key for key in self._url.query if _SECRET.search(key)]
        self._shown = self._url.difference_update_query(hidden).render_as_string(hide_password=True)
        self._secrets = [value for key in hidden for value in self._url.normalized_query[key]] + [
            self._url.password or ""
        ]
        with self._told():
            self._engine = _sqlite(self._url) if self.is_sqlite else _postgresql(self._url)
            self._writer = self._engine.execution_options(writes=True)
            # There each statement sees what it sees, in a transaction too: three journeys to the server are saved.
            self._reader = (
                self._engine if self.is_sqlite else self._engine.execution_options(isolation_level="AUTOCOMMIT")
            )
            try:
                with self.deciding() as connection:
                    migrate(connection, self._shown)
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
    def changing_plans(self) -> Iterator[Connection]:
        """`deciding`, and tells all who look at `plans_version` that something is otherwise now.

        Raises:
            StoreUnusable: the database does not answer.
        """
        with self.deciding() as connection:
            yield connection
            count_change(connection)

    @contextmanager
    def deciding(self) -> Iterator[Connection]:
        """`writing`, and nobody else changes plans meanwhile: who follows what, and how far rollouts are.

        Raises:
            StoreUnusable: the database does not answer.
        """
        with self.writing() as connection:
            # A writer of SQLite is alone anyway.
            if not self.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _PLANS_LOCK})
            yield connection

    def close(self) -> None:
        """Gives all connections back."""
        self._engine.dispose()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error, OSError, UnicodeError) as error:
            raise StoreUnusable(f"the fleet's database {self._shown}: {self._reason(error)}") from error

    def _reason(self, error: Exception) -> str:
        cause = error.__cause__ if isinstance(error, SQLAlchemyError) and error.__cause__ is not None else error
        reason = one_line(cause) or type(cause).__name__
        for secret in filter(None, self._secrets):
            reason = reason.replace(secret, "***")
        return reason


def plans_version(connection: Connection) -> int:
    """Grows with each change of plans."""
    return int(kept(connection, marks, _PLANS) or 0)


def count_change(connection: Connection) -> None:
    """Makes `plans_version` grow, in a transaction of `Database.deciding`."""
    keep(connection, marks, _PLANS, str(plans_version(connection) + 1))


def database_url(address: str) -> URL:
    """What `--database` takes, as SQLAlchemy takes it.

    Args:
        address: as of `Database`.

    Raises:
        StoreUnusable: it is none of these. What is said of it has no password.
    """
    if "://" not in address:
        if not address or "\0" in address or address.startswith("sqlite:"):
            raise StoreUnusable(_TAKEN)
        return URL.create("sqlite+pysqlite", database=address)
    try:
        url = make_url(address)
    except (ArgumentError, ValueError) as error:
        raise StoreUnusable(_TAKEN) from error
    if url.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg")
    if url.drivername in ("sqlite", "sqlite+pysqlite") and not url.host:
        if url.database in (None, "", ":memory:") or url.query:
            raise StoreUnusable("a fleet's database is a file: --database sqlite:///fleet.db")
        return url.set(drivername="sqlite+pysqlite")
    raise StoreUnusable(_TAKEN)


_TAKEN = (
    "--database takes a path (fleet.db), sqlite:///fleet.db (relative), sqlite:////var/lib/fleet.db (absolute), "
    "or postgresql://USER:PASSWORD@HOST/NAME"
)


def _sqlite(url: URL) -> Engine:
    assert url.database is not None
    path = Path(url.database)
    # It holds the key that signs addresses; what SQLite puts beside it has the same rights.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    _write_ahead(path)
    # As many connections as threads ask at once, so that none waits for another's.
    engine = create_engine(url, pool_size=8, max_overflow=-1, connect_args={"timeout": _BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # None: the driver begins no transactions by itself; those that write begin below, as writers.
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA synchronous=NORMAL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        # A reader that turns into a writer may find that it is too late, however long it waits.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _write_ahead(path: Path) -> None:
    """Once, in the file: readers and a writer do not wait for each other from then on."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            # SQLite does not wait here for another process that does the same.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        finally:
            connection.close()
        time.sleep(0.01)


def _postgresql(url: URL) -> Engine:
    # What the address says of these holds before what is said here.
    waits = {key: value for key, value in _LINK.items() if key not in url.query}
    # A server that was begun anew costs no request.
    engine = create_engine(url, pool_size=8, max_overflow=24, pool_pre_ping=True, connect_args=waits)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            for name, milliseconds in _LIMITS_MS.items():
                cursor.execute(_LIMIT, (name, str(milliseconds), name))
        connection.commit()

    return engine
