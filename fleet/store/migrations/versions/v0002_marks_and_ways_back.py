"""Rollouts that take one back, who was made to follow a component once, and what servers count, apart from settings."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_COUNTED = "key IN ('plans', 'awake') OR key LIKE 'live:%'"


def upgrade() -> None:
    """Makes them, and has what was counted go on."""
    op.add_column("rollouts", sa.Column("is_back", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "offered",
        sa.Column("device", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(["device"], ["devices.id"], name=op.f("fk_offered_device"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("device", "name", name=op.f("pk_offered")),
    )
    op.create_table(
        "marks",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_marks")),
    )
    op.execute(f"INSERT INTO marks (key, value) SELECT key, value FROM settings WHERE {_COUNTED}")
    op.execute(f"DELETE FROM settings WHERE {_COUNTED}")
