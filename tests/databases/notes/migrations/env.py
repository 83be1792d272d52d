"""What alembic runs around the steps."""

from databases.migrating import run_steps

run_steps()
