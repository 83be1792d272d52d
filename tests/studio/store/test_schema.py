"""The studio's tables are made from nothing by steps, and a database of a newer version or of others is left alone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from databases.addresses import database_url
from databases.errors import StoreUnusable
from fleet.fleet import Fleet
from studio.store.corrections import Corrections
from studio.store.tables import METADATA, SCHEMA
from tests.studio.store.drawn import new


def test_the_migrations_make_exactly_the_tables_that_the_program_knows(address: str) -> None:
    Corrections.open(address).close()

    engine = create_engine(database_url(address, "studio"))
    with engine.connect() as connection:
        options = {"version_table": SCHEMA.version_table, "compare_type": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), METADATA) == []
        assert set(inspect(connection).get_table_names()) == {*METADATA.tables, SCHEMA.version_table}
    engine.dispose()


def test_a_database_of_a_newer_version_is_left_alone(address: str) -> None:
    Corrections.open(address).close()
    engine = create_engine(database_url(address, "studio"))
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {SCHEMA.version_table} SET version_num = '9999'"))

    with pytest.raises(StoreUnusable, match=r"the studio's database .* a newer version of this program: install that"):
        Corrections.open(address)

    with engine.connect() as connection:
        assert connection.execute(text(f"SELECT version_num FROM {SCHEMA.version_table}")).scalar_one() == "9999"
    engine.dispose()


def test_a_database_of_others_is_left_alone(address: str) -> None:
    engine = create_engine(database_url(address, "studio"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE runs (what INTEGER)"))

    with pytest.raises(StoreUnusable, match="a table runs that is no studio's"):
        Corrections.open(address)

    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["runs"]
    engine.dispose()


def test_a_fleet_and_a_studio_can_share_a_database(address: str) -> None:
    with Fleet(address) as fleet, Corrections.open(address) as corrections:
        fleet.devices.add("robot-7")
        corrections.correct(new(1, 7))

        assert len(fleet.devices.all()) == 1
        assert corrections.counts().total == 1


def test_nobody_else_reads_the_file(tmp_path: Path) -> None:
    with Corrections.open(str(tmp_path / "studio.db")) as corrections:
        corrections.correct(new(1, 7))
        rights = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}

    assert set(rights.values()) == {0o600}, rights


@pytest.mark.parametrize("address", ["", "mysql://u:secret@h/d", "sqlite:///:memory:", "x://y"])
def test_what_is_no_database_is_refused_with_the_studios_example(address: str) -> None:
    with pytest.raises(StoreUnusable, match=r"studio\.db") as refused:
        Corrections.open(address)

    assert "secret" not in str(refused.value)
