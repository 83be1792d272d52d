"""A PostgreSQL server on this machine, from Debian's package `postgresql`, in a folder that goes again."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest

from tests.waiting import eventually

_UNPRIVILEGED = ("postgres", "nobody")


class PostgreSQL:
    """A server that runs, unless it is stopped.

    Attributes:
        folder: where its socket lies.
        user: who may do all there.
    """

    def __init__(self, folder: Path, user: str, begin: Callable[[], subprocess.Popen[bytes]]) -> None:
        self.folder, self.user = folder, user
        self._begin = begin
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count()

    def start(self) -> None:
        """Begins it, and waits until it takes connections."""
        self._process = self._begin()
        eventually(self.answers, "PostgreSQL")

    def stop(self) -> None:
        """Ends it at once, with all connections; what was committed stays."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()

    def new_database(self) -> str:
        """The address of an empty schema, which costs less than a database."""
        name = f"kept{next(self._numbers)}"
        with self._connected("postgres") as connection:
            connection.execute(f"CREATE SCHEMA {name}".encode())
        return f"postgresql://{self.user}@/postgres?host={self.folder}&options=-csearch_path%3D{name}"

    def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            with self._connected("postgres"):
                return True
        except psycopg.OperationalError:
            return False

    def _connected(self, name: str) -> psycopg.Connection:
        return psycopg.connect(host=str(self.folder), user=self.user, dbname=name, autocommit=True)


@contextmanager
def postgresql_server() -> Iterator[PostgreSQL]:
    """One that runs while the block does; skips where none is installed."""
    programs = _programs()
    if programs is None:
        pytest.skip("needs PostgreSQL: apt-get install postgresql")
    # It refuses to run as root.
    user = next(each for each in _UNPRIVILEGED if _exists(each)) if os.geteuid() == 0 else None
    group, others = (pwd.getpwnam(user).pw_gid, list[int]()) if user else (None, None)
    # Short, as the path of a socket must be, and of a folder that this user may enter.
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    try:
        if user:
            shutil.chown(folder, user)
        name, data = user or getpass.getuser(), folder / "data"
        environment = os.environ | {"LC_ALL": "C", "HOME": str(folder)}
        made = subprocess.run(
            [programs / "initdb", "--pgdata", data, "--auth", "trust", "--encoding", "UTF8", "--no-sync", "-U", name],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            user=user,
            group=group,
            extra_groups=others,
        )
        assert made.returncode == 0, made.stderr
        options = ["-k", str(folder), "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200"]

        def begin() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                [programs / "postgres", "-D", data, *options],
                cwd=folder,
                env=environment,
                stderr=subprocess.DEVNULL,
                user=user,
                group=group,
                extra_groups=others,
            )

        server = PostgreSQL(folder, name, begin)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path | None:
    """The folder of `initdb` and `postgres`: Debian keeps them out of the path, a version each."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda each: float(each.parts[-3]))
    program = shutil.which("initdb") if not found else str(found[-1])
    return None if program is None else Path(program).resolve().parent


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
