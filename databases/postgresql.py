"""How a database on a server is reached, and how long it may take with anything."""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Engine, create_engine, event

_LINK = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""By which PostgreSQL's client notices within half a minute that a server vanished: seconds, the last milliseconds."""
_LIMITS_MS = {
    "statement_timeout": 60_000,
    "lock_timeout": 30_000,
    "idle_in_transaction_session_timeout": 60_000,
}
"""Of PostgreSQL: nobody waits for ever, nor for a process that stands still in the middle."""
_LIMIT = "SELECT set_config(%s, %s, false) WHERE current_setting(%s) = '0'"
"""One of these, where neither the address nor the server's configuration says otherwise."""


def postgresql_engine(url: URL, program: str) -> Engine:
    """The engine of a server's database; nothing is connected yet.

    Args:
        url: what it says of waiting holds before what is said here.
        program: the name that the server shows of these connections.
    """
    waits = {key: value for key, value in (_LINK | {"application_name": program}).items() if key not in url.query}
    # A server that was begun anew costs no request.
    engine = create_engine(url, pool_size=8, max_overflow=24, pool_pre_ping=True, connect_args=waits)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            for name, milliseconds in _LIMITS_MS.items():
                cursor.execute(_LIMIT, (name, str(milliseconds), name))
        connection.commit()

    return engine
