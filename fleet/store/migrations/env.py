"""What alembic runs around the steps: they happen in the transaction of whoever opens the database."""

from alembic import context

from fleet.store.migrating import VERSION_TABLE
from fleet.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    # SQLite cannot change most of a table in place.
    render_as_batch=True,
)
context.run_migrations()
