"""The fleet's database, and what counts its changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection

from databases import addresses, database
from databases.schema import Schema
from fleet.store.keeping import keep, kept
from fleet.store.tables import METADATA, marks

_PLANS = "plans"
SCHEMA = Schema(
    owner="fleet",
    metadata=METADATA,
    version_table="fleet_schema",
    scripts=Path(__file__).with_name("migrations"),
    lock=0x686F7473776170,
)


class Database(database.Database):
    """A fleet's, open. `deciding` keeps others from changing plans: who follows what, and how far rollouts are.

    Args:
        address: as of `database_url`.

    Raises:
        StoreUnusable: it cannot be opened, or is of a newer version.
    """

    def __init__(self, address: str) -> None:
        super().__init__(address, SCHEMA)

    @contextmanager
    def changing_plans(self) -> Iterator[Connection]:
        """`deciding`, and tells all who look at `plans_version` that something is otherwise now.

        Raises:
            StoreUnusable: the database does not answer.
        """
        with self.deciding() as connection:
            yield connection
            count_change(connection)


def database_url(address: str) -> URL:
    """What `--database` takes, as SQLAlchemy takes it: `sqlite:///fleet.db`, `fleet.db`, `postgresql://…`.

    Raises:
        StoreUnusable: it is none of these. What is said of it has no password.
    """
    return addresses.database_url(address, SCHEMA.owner)


def plans_version(connection: Connection) -> int:
    """Grows with each change of plans."""
    return int(kept(connection, marks, _PLANS) or 0)


def count_change(connection: Connection) -> None:
    """Makes `plans_version` grow, in a transaction of `Database.deciding`."""
    keep(connection, marks, _PLANS, str(plans_version(connection) + 1))
