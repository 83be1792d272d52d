"""Notes."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Column, Integer, MetaData, Table, Text

from databases.schema import Schema

METADATA = MetaData()

notes = Table("notes", METADATA, Column("number", Integer, primary_key=True), Column("words", Text, nullable=False))

SCHEMA = Schema(
    owner="notebook",
    metadata=METADATA,
    version_table="notebook_schema",
    scripts=Path(__file__).with_name("migrations"),
    lock=0x6E6F746573,
)
