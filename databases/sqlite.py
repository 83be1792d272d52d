"""How a file is opened as a database that many threads and processes read and write."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event

_BUSY_SECONDS = 30
"""How long a writer waits for others, who each write for milliseconds."""
_GONE = "the file is gone; put it back, or start again for a new one"


def sqlite_engine(url: URL) -> Engine:
    """The engine of a file, which is made where there is none now; later it is not. A connection with the option
    `writes` writes.

    A file that was removed is not made again behind the back of those who put it there: to connect raises
    `FileNotFoundError` until a file lies there, the same or another.

    Raises:
        OSError, sqlite3.Error: there cannot be such a file.
    """
    path = database_path(url)
    # It may hold keys; what SQLite puts beside it has the same rights.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    _write_ahead(path)

    def connect() -> sqlite3.Connection:
        if file_identity(path) is None:
            raise FileNotFoundError(_GONE)
        return sqlite3.connect(
            f"file:{quote(str(path))}?mode=rw", uri=True, timeout=_BUSY_SECONDS, check_same_thread=False
        )

    # As many connections as threads ask at once, so that none waits for another's.
    engine = create_engine(url, pool_size=8, max_overflow=-1, creator=connect)

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


def database_path(url: URL) -> Path:
    """The file of an address as of `database_url`, wherever this process goes."""
    assert url.database is not None
    return Path(url.database).absolute()


def file_identity(path: Path) -> tuple[int, int] | None:
    """Which file lies at a path; None where there is none that could be seen."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


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
