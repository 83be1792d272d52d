"""Single values that are kept by a key: an operator's settings, and what servers count for themselves."""

from __future__ import annotations

from sqlalchemy import Connection, Table, delete, insert, select


def kept(connection: Connection, table: Table, key: str) -> str | None:
    """A value, in a transaction; None where there is none.

    Args:
        table: `settings` or `marks`.
    """
    return connection.execute(select(table.c.value).where(table.c.key == key)).scalar_one_or_none()


def keep(connection: Connection, table: Table, key: str, value: str | None) -> None:
    """Keeps a value in the place of the one before, in a transaction that writes; none where it is None.

    Args:
        table: as of `kept`.
    """
    connection.execute(delete(table).where(table.c.key == key))
    if value is not None:
        connection.execute(insert(table).values(key=key, value=value))
