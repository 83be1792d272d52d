"""What a database is to hold, and whose it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import MetaData


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one owner, and the steps by which they came to be.

    Attributes:
        owner: in errors (`the fleet's database`), in examples of addresses, and in what a server shows of connections.
        metadata: the tables of this version.
        version_table: holds the version of the tables; a name of its own, for databases that others migrate too.
        scripts: alembic's folder, with `env.py` (which calls `databases.migrating.run_steps`) and `versions/`.
        lock: PostgreSQL's number of the lock that `Database.deciding` holds; one for each owner.
    """

    owner: str
    metadata: MetaData
    version_table: str
    scripts: Path
    lock: int
