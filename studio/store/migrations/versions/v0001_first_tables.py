"""The first tables: corrections, readings, runs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes them."""
    op.create_table(
        "corrections",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("drawing", sa.String(length=64), nullable=False),
        sa.Column("png", sa.LargeBinary(), nullable=False),
        sa.Column("pixels", sa.LargeBinary(length=32), nullable=False),
        sa.Column("label", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("model_id", sa.Text(), nullable=True),
        sa.Column("browser", sa.String(length=128), nullable=False),
        sa.Column("unseen", sa.Boolean(), nullable=False),
        sa.Column("change", sa.Integer(), nullable=False),
        sa.Column("time", sa.Double(), nullable=False),
        sa.Column("taken_back", sa.Double(), nullable=True),
        sa.CheckConstraint("label BETWEEN 0 AND 9", name=op.f("ck_corrections_digit")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_corrections")),
        sa.UniqueConstraint("drawing", name=op.f("uq_corrections_drawing")),
        sa.UniqueConstraint("change", name=op.f("uq_corrections_change")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_corrections_pixels"), "corrections", ["pixels"])
    op.create_table(
        "readings",
        sa.Column("correction", sa.Integer(), nullable=False),
        sa.Column("model", sa.LargeBinary(length=32), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("time", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["correction"], ["corrections.number"], name=op.f("fk_readings_correction"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("correction", "model", name=op.f("pk_readings")),
    )
    op.create_table(
        "runs",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("studio", sa.String(length=32), nullable=False),
        sa.Column("pipeline", sa.String(length=100), nullable=False),
        sa.Column("started", sa.Double(), nullable=False),
        sa.Column("ended", sa.Double(), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=True),
        sa.Column("corrections", sa.Integer(), nullable=False),
        sa.Column("change", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_runs")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_runs_studio"), "runs", ["studio"])
