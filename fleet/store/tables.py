"""The tables of the fleet's database.

A time is seconds since 1970 (UTC), a float. A list or a document is JSON in a text: both databases keep it alike.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

devices = Table(
    "devices",
    METADATA,
    Column("id", String(128), primary_key=True),
    Column("token_sha256", LargeBinary(32), nullable=False),
    Column("target", String(100), nullable=False),
    Column("created", Double, nullable=False),
    Column("last_seen", Double),
    Column("desired", Text, nullable=False),
    Column("desired_version", Integer, nullable=False),
    Column("etag", String(128), nullable=False),
    Column("reported", Text, nullable=False),
    Column("reported_version", Integer, nullable=False),
)

groups = Table(
    "groups", METADATA, Column("name", String(128), primary_key=True), Column("created", Double, nullable=False)
)


def _device(*, primary_key: bool = False, index: bool = False) -> Column[str]:
    of = ForeignKey("devices.id", ondelete="CASCADE")
    return Column("device", String(128), of, primary_key=primary_key, index=index)


def _group(*, primary_key: bool = False) -> Column[str]:
    of = ForeignKey("groups.name", ondelete="CASCADE")
    return Column("group_name", String(128), of, primary_key=primary_key)


memberships = Table("memberships", METADATA, _group(primary_key=True), _device(primary_key=True, index=True))

releases = Table(
    "releases",
    METADATA,
    Column("name", String(128), primary_key=True),
    Column("version", String(128), primary_key=True),
    Column("target", String(100), primary_key=True),
    Column("model_id", Text, nullable=False),
    Column("source_sha256", String(64), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    Column("uri", Text, nullable=False),
    Column("signature", Text),
    Column("terms", Text, nullable=False),
    Column("created", Double, nullable=False),
)

assignments = Table(
    "assignments",
    METADATA,
    # Grows with each that is made: of two that say different things of one device, the later one holds.
    Column("id", Integer, primary_key=True, autoincrement=True),
    _device(),
    _group(),
    Column("name", String(128), nullable=False),
    Column("version", String(128), nullable=False),
    UniqueConstraint("device", "name"),
    UniqueConstraint("group_name", "name"),
    CheckConstraint("(device IS NULL) <> (group_name IS NULL)", name="one_subject"),
    sqlite_autoincrement=True,
)

rollouts = Table(
    "rollouts",
    METADATA,
    # A later rollout goes before an earlier one of the same name, so that no number may come back.
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", String(128), nullable=False),
    Column("version", String(128), nullable=False),
    Column("group_name", String(128)),
    Column("shares", Text, nullable=False),
    Column("pause", Double),
    Column("halt", Double, nullable=False),
    Column("state", String(20), nullable=False),
    Column("step", Integer, nullable=False),
    Column("since", Double, nullable=False),
    Column("started", Double, nullable=False),
    Column("note", Text, nullable=False),
    Column("is_back", Boolean, nullable=False, server_default=false()),
    Index(None, "name", "state"),
    sqlite_autoincrement=True,
)

reached = Table(
    "reached",
    METADATA,
    Column("rollout", Integer, ForeignKey("rollouts.id", ondelete="CASCADE"), primary_key=True),
    _device(primary_key=True, index=True),
    Column("since", Double, nullable=False),
    Column("forgiven", Boolean, nullable=False),
)

offered = Table("offered", METADATA, _device(primary_key=True), Column("name", String(128), primary_key=True))
"""Components that a device was made to follow once, as it follows the one that leads: never again by itself."""

settings = Table(
    "settings", METADATA, Column("key", String(128), primary_key=True), Column("value", Text, nullable=False)
)
"""What an operator said of how the fleet is served, and the key by which addresses are signed."""

marks = Table("marks", METADATA, Column("key", String(200), primary_key=True), Column("value", Text, nullable=False))
"""What servers count for themselves: changes of plans, when rollouts were taken on, what went live last."""
