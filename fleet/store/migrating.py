"""Makes a database of any earlier version one of this, in one transaction."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from fleet.errors import StoreUnusable
from fleet.store.tables import METADATA

VERSION_TABLE = "fleet_schema"
"""Holds the version of the tables; a name of its own, for databases that others migrate too."""
_SCRIPTS = Path(__file__).with_name("migrations")


def migrate(connection: Connection, shown: str) -> None:
    """Makes or changes tables until they are those of this version.

    Args:
        connection: in a transaction that no other may run beside.
        shown: the database's address without a password, for errors.

    Raises:
        StoreUnusable: it is of a newer version, or other tables have the names of these.
        SQLAlchemyError: the database says no.
    """
    config = Config()
    # A percent sign would be read as the beginning of a name.
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    heads = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_heads()
    if set(heads) - {script.revision for script in scripts.walk_revisions()}:
        raise StoreUnusable(
            f"the fleet's database {shown} was written by a newer version of this program: install that one, or name "
            "another database"
        )
    if not heads and (strange := set(METADATA.tables) & set(inspect(connection).get_table_names())):
        raise StoreUnusable(
            f"the database {shown} has a table {min(strange)} that is no fleet's: name another with --database"
        )
    if set(heads) != set(scripts.get_heads()):
        command.upgrade(config, "head")
