"""Makes a database of any earlier version one of this, in one transaction."""

from __future__ import annotations

from alembic import command, context
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from databases.errors import StoreUnusable
from databases.schema import Schema


def migrate(connection: Connection, schema: Schema, shown: str) -> None:
    """Makes or changes tables until they are those of this version.

    Args:
        connection: in a transaction that no other may run beside.
        schema: what they are to be.
        shown: the database's address without a password, for errors.

    Raises:
        StoreUnusable: it is of a newer version, or other tables have the names of these.
        SQLAlchemyError: the database says no.
    """
    config = migrations(connection, schema)
    scripts = ScriptDirectory.from_config(config)
    heads = MigrationContext.configure(connection, opts={"version_table": schema.version_table}).get_current_heads()
    if set(heads) - {script.revision for script in scripts.walk_revisions()}:
        raise StoreUnusable(
            f"the {schema.owner}'s database {shown} was written by a newer version of this program: install that one, "
            "or name another database"
        )
    if not heads and (strange := set(schema.metadata.tables) & set(inspect(connection).get_table_names())):
        raise StoreUnusable(
            f"the database {shown} has a table {min(strange)} that is no {schema.owner}'s: name another with --database"
        )
    if set(heads) != set(scripts.get_heads()):
        command.upgrade(config, "head")


def migrations(connection: Connection, schema: Schema) -> Config:
    """What alembic's commands take, for steps in the transaction of a connection."""
    config = Config()
    # A percent sign would be read as the beginning of a name.
    config.set_main_option("script_location", str(schema.scripts).replace("%", "%%"))
    config.attributes |= {"connection": connection, "schema": schema}
    return config


def run_steps() -> None:
    """All of an `env.py`: the steps happen in the transaction of whoever opens the database."""
    attributes = context.config.attributes
    schema: Schema = attributes["schema"]
    context.configure(
        connection=attributes["connection"],
        target_metadata=schema.metadata,
        version_table=schema.version_table,
        # SQLite cannot change most of a table in place.
        render_as_batch=True,
    )
    context.run_migrations()
