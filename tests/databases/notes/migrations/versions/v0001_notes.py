"""The table."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes it."""
    op.create_table(
        "notes",
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("words", sa.Text(), nullable=False),
    )
