"""A fleet's database is made or brought up to date when it is opened, and says in one line what is wrong with it."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from databases.migrating import migrations
from fleet.errors import StoreUnusable
from fleet.fleet import Fleet
from fleet.rollouts import Plan
from fleet.store.database import SCHEMA, Database, database_url, plans_version
from fleet.store.tables import METADATA
from tests.databases.postgresql import PostgreSQL
from tests.fleet.simulated import admits, record, release
from tests.fleet.writing import write_model

ROOT = Path(__file__).parents[2]


def test_the_migrations_make_exactly_the_tables_that_the_program_knows(address: str) -> None:
    Database(address).close()

    engine = create_engine(database_url(address))
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": SCHEMA.version_table, "compare_type": True}
        )
        assert compare_metadata(context, METADATA) == []
        assert set(inspect(connection).get_table_names()) == {*METADATA.tables, SCHEMA.version_table}
    engine.dispose()


def test_what_was_written_is_there_when_it_is_opened_again(address: str) -> None:
    with Fleet(address) as fleet:
        token = fleet.devices.add("robot-7")
        key = fleet.settings.url_key()

    with Fleet(address) as again:
        assert admits(again, "robot-7", token)
        assert again.settings.url_key() == key


def test_a_database_of_the_first_version_goes_on_where_it_was(address: str) -> None:
    engine = create_engine(database_url(address))
    with engine.begin() as connection:
        command.upgrade(migrations(connection, SCHEMA), "0001")
        for key, value in {"plans": "7", "live:model": "1.0.0", "awake": "1.0", "shelf": "/shelf"}.items():
            connection.execute(text("INSERT INTO settings VALUES (:key, :value)"), {"key": key, "value": value})
    engine.dispose()

    with Fleet(address) as fleet:
        record(fleet, "1.0.0")
        assert fleet.settings.shelf() == "/shelf"
        assert fleet.rollouts.go_live("model", "1.0.0", Plan()) is None
        fleet.rollouts.start("model")
    database = Database(address)
    with database.reading() as connection:
        assert plans_version(connection) > 7
        assert connection.execute(text("SELECT count(*) FROM settings")).scalar_one() == 1
    database.close()


def test_processes_that_open_a_new_database_at_once_all_find_the_same(address: str) -> None:
    command = [sys.executable, "-m", "tests.fleet.open_database", address]
    processes = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    with ThreadPoolExecutor() as pool:
        keys = list(pool.map(lambda process: process.communicate("now\n")[0], processes))

    assert len(set(keys)) == 1
    assert len(bytes.fromhex(keys[0])) == 32
    assert [process.returncode for process in processes] == [0] * 4


def test_a_database_of_a_newer_version_is_left_alone(address: str) -> None:
    Database(address).close()
    engine = create_engine(database_url(address))
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {SCHEMA.version_table} SET version_num = '9999'"))

    with pytest.raises(StoreUnusable, match="a newer version of this program: install that one") as refused:
        Database(address)

    assert "\n" not in str(refused.value)
    with engine.connect() as connection:
        assert connection.execute(text(f"SELECT version_num FROM {SCHEMA.version_table}")).scalar_one() == "9999"
    engine.dispose()


def test_a_database_of_others_is_left_alone(address: str) -> None:
    engine = create_engine(database_url(address))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE devices (what INTEGER)"))

    with pytest.raises(StoreUnusable, match="a table devices that is no fleet's"):
        Database(address)

    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["devices"]
    engine.dispose()


def test_a_bare_path_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    for address in ("fleet.db", "sqlite:///fleet.db", f"sqlite:///{tmp_path}/fleet.db", str(tmp_path / "fleet.db")):
        with Fleet(address) as fleet:
            key = fleet.settings.url_key()

    assert (tmp_path / "fleet.db").is_file()
    with Fleet("fleet.db") as fleet:
        assert fleet.settings.url_key() == key


def test_nobody_else_reads_the_file(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "fleet.db"))
    rights = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    database.close()

    assert set(rights.values()) == {0o600}, rights


def test_a_lock_that_somebody_keeps_is_told_in_the_end(postgresql: PostgreSQL) -> None:
    address = postgresql.new_database()
    stuck, patient = Database(address), Fleet(f"{address}%20-clock_timeout%3D100ms")
    with stuck.deciding(), pytest.raises(StoreUnusable, match="lock timeout"):
        patient.devices.add("robot-7")

    patient.devices.add("robot-7")
    patient.close()
    stuck.close()


def test_a_database_that_goes_away_is_told_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "fleet.db"
    with Fleet(str(path)) as fleet:
        with sqlite3.connect(path) as connection:
            connection.execute("DROP TABLE devices")

        with pytest.raises(StoreUnusable, match="no such table: devices") as refused:
            fleet.twins.read("robot-7")

    assert "\n" not in str(refused.value)


def test_many_threads_read_and_write_at_once(fleet: Fleet) -> None:
    names = [f"robot-{number}" for number in range(8)]
    models = [release("1.0.0", name).desired() for name in ("a", "b", "c", "d")]
    begin = threading.Barrier(8)

    def work(name: str) -> None:
        begin.wait()
        fleet.devices.add(name)
        for model in models:
            write_model(fleet.twins, name, model)
            assert model in fleet.twins.read(name).models

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, names))

    assert {twin.device: twin.models for twin in fleet.twins.devices()} == dict.fromkeys(names, tuple(models))
