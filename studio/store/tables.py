"""The tables of the studio's database. A time is seconds since 1970 (UTC), a float."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

from databases.schema import Schema

DRAWING_CHARACTERS, BROWSER_CHARACTERS, STUDIO_CHARACTERS = 64, 128, 32
"""The longest name of a drawing, of a browser, and of a studio."""

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

corrections = Table(
    "corrections",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("drawing", String(DRAWING_CHARACTERS), nullable=False, unique=True),
    Column("png", LargeBinary, nullable=False),
    # SHA-256 of the pixels, by which a drawing is known again.
    Column("pixels", LargeBinary(32), nullable=False, index=True),
    Column("label", Integer, nullable=False),
    Column("answer", Text),
    Column("score", Double),
    Column("model_id", Text),
    Column("browser", String(BROWSER_CHARACTERS), nullable=False),
    Column("unseen", Boolean, nullable=False),
    # Grows with each correction that is made or changed, so that a clock which is set back orders nothing anew.
    Column("change", Integer, nullable=False, unique=True),
    Column("time", Double, nullable=False),
    # The row stays: what a model has learnt from must not come back on the other side.
    Column("taken_back", Double),
    CheckConstraint("label BETWEEN 0 AND 9", name="digit"),
    sqlite_autoincrement=True,
)

readings = Table(
    "readings",
    METADATA,
    Column("correction", Integer, ForeignKey("corrections.number", ondelete="CASCADE"), primary_key=True),
    # An id may be longer than what PostgreSQL takes into an index.
    Column("model", LargeBinary(32), primary_key=True),
    Column("model_id", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("score", Double),
    Column("time", Double, nullable=False),
)
"""What models say of corrected drawings; `model` is the SHA-256 of `model_id`."""

runs = Table(
    "runs",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    # Whose it is: corrections are common to the studios of one database, retrainings are not.
    Column("studio", String(STUDIO_CHARACTERS), nullable=False, index=True),
    Column("pipeline", String(100), nullable=False),
    Column("started", Double, nullable=False),
    Column("ended", Double),
    Column("state", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("model_id", Text),
    Column("corrections", Integer, nullable=False),
    # The latest change of corrections before it began.
    Column("change", Integer, nullable=False),
    sqlite_autoincrement=True,
)
"""Retrainings."""

SCHEMA = Schema(
    owner="studio",
    metadata=METADATA,
    version_table="studio_schema",
    scripts=Path(__file__).with_name("migrations"),
    lock=0x73747564696F,
)
