"""The addresses of databases, as people write them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from databases.errors import StoreUnusable

_SECRET = re.compile("pass|secret|key", re.IGNORECASE)
"""In the names of what may stand behind an address and is not shown."""


def database_url(address: str, owner: str) -> URL:
    """What `--database` takes, as SQLAlchemy takes it.

    Args:
        address: `sqlite:///fleet.db`, a path `fleet.db`, or `postgresql://USER:PASSWORD@HOST/NAME`.
        owner: whose it is, for examples.

    Raises:
        StoreUnusable: it is none of these. What is said of it has no password.
    """
    taken = (
        f"--database takes a path ({owner}.db), sqlite:///{owner}.db (relative), sqlite:////var/lib/{owner}.db "
        "(absolute), or postgresql://USER:PASSWORD@HOST/NAME"
    )
    if "://" not in address:
        if not address or "\0" in address or address.startswith("sqlite:"):
            raise StoreUnusable(taken)
        return URL.create("sqlite+pysqlite", database=address)
    try:
        url = make_url(address)
    except (ArgumentError, ValueError) as error:
        raise StoreUnusable(taken) from error
    if url.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg")
    if url.drivername in ("sqlite", "sqlite+pysqlite") and not url.host:
        if url.database in (None, "", ":memory:") or url.query:
            raise StoreUnusable(f"a {owner}'s database is a file: --database sqlite:///{owner}.db")
        return url.set(drivername="sqlite+pysqlite")
    raise StoreUnusable(taken)


def shown_url(url: URL) -> tuple[str, Sequence[str]]:
    """An address without what is secret in it, and the secrets."""
    hidden = [key for key in url.query if _SECRET.search(key)]
    secrets = [value for key in hidden for value in url.normalized_query[key]]
    shown = url.difference_update_query(hidden).render_as_string(hide_password=True)
    return shown, [secret for secret in (*secrets, url.password) if secret]
