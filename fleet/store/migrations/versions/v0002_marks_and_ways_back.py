"""Rollouts that take one back, who was made to follow a component once, and what servers count, apart from settings."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


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
    settings, marks = (sa.table(name, sa.column("key"), sa.column("value")) for name in ("settings", "marks"))
    is_counted = sa.or_(settings.c.key.in_(["plans", "awake"]), settings.c.key.like("live:%"))
    counted = sa.select(settings.c.key, settings.c.value).where(is_counted)
    op.execute(sa.insert(marks).from_select(["key", "value"], counted))
    op.execute(sa.delete(settings).where(is_counted))
