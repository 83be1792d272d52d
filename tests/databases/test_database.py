"""A database says in one line what is wrong with it, without passwords, and holds what its owner's steps make."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, insert, inspect, select, text

from databases.database import Database
from databases.errors import StoreUnusable
from tests.databases.notes.tables import SCHEMA, notes
from tests.databases.postgresql import PostgreSQL


def test_what_is_written_is_read_by_whoever_opens_it_next(address: str) -> None:
    database = Database(address, SCHEMA)
    with database.writing() as connection:
        connection.execute(insert(notes).values(words="milk"))
    database.close()

    again = Database(address, SCHEMA)
    with again.reading() as connection:
        assert connection.execute(select(notes.c.words)).scalars().all() == ["milk"]
        assert set(inspect(connection).get_table_names()) == {"notes", "notebook_schema"}
    again.close()


def test_of_a_transaction_that_fails_nothing_happens(address: str) -> None:
    database = Database(address, SCHEMA)
    with pytest.raises(LookupError), database.writing() as connection:
        connection.execute(insert(notes).values(words="milk"))
        raise LookupError

    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(notes)).scalar_one() == 0
    database.close()


def test_who_decides_is_alone(address: str) -> None:
    database = Database(address, SCHEMA)
    begin = threading.Barrier(8)

    def count_on() -> None:
        begin.wait()
        with database.deciding() as connection:
            many = connection.execute(select(func.count()).select_from(notes)).scalar_one()
            connection.execute(insert(notes).values(number=many + 1, words="next"))

    with ThreadPoolExecutor(8) as pool:
        for each in [pool.submit(count_on) for _ in range(8)]:
            each.result()

    with database.reading() as connection:
        assert connection.execute(select(func.max(notes.c.number))).scalar_one() == 8
    database.close()


def test_a_path_with_odd_characters_is_a_path(tmp_path: Path) -> None:
    path = tmp_path / "50% of ä&b?c#d.db"

    Database(str(path), SCHEMA).close()

    assert path.is_file()


@pytest.mark.parametrize(
    "address",
    [
        "",
        "mysql://u:secret@h/d",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:notes.db",
        "://",
        "postgresql",
        "a\0b",
        "x://y",
    ],
)
def test_what_is_no_database_is_refused_in_a_line_without_passwords(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if address == "postgresql":
        # Without "://" it is a path, like any.
        (tmp_path / address).mkdir()

    with pytest.raises(StoreUnusable) as refused:
        Database(address, SCHEMA)

    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_file_that_is_no_database_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be taken for one" * 100)
    before = path.read_bytes()

    with pytest.raises(StoreUnusable, match=r"notes\.txt: file is not a database"):
        Database(str(path), SCHEMA)

    assert path.read_bytes() == before


def test_a_folder_that_is_not_there_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match=r"absent/notes\.db: .*No such file or directory"):
        Database(str(tmp_path / "absent/notes.db"), SCHEMA)


def test_a_server_that_is_not_there_is_told_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="the notebook's database postgresql") as refused:
        Database(f"postgresql://operator:s3cret-w0rd@/notes?host={tmp_path}", SCHEMA)

    assert "s3cret-w0rd" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_password_behind_the_address_is_in_no_error(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="the notebook's database postgresql") as refused:
        Database(f"postgresql://operator@/notes?host={tmp_path}&password=s3cret-w0rd&sslpassword=other-w0rd", SCHEMA)

    assert "w0rd" not in str(refused.value)


def test_a_password_that_the_server_refuses_is_in_no_error(postgresql: PostgreSQL) -> None:
    with pytest.raises(StoreUnusable) as refused:
        Database(f"postgresql://nobody-of-this-name:s3cret-w0rd@/notes?host={postgresql.folder}", SCHEMA)

    assert "s3cret-w0rd" not in str(refused.value)
    assert "nobody-of-this-name" in str(refused.value)


def test_nobody_waits_for_ever_for_a_server_unless_told_to(postgresql: PostgreSQL) -> None:
    address = postgresql.new_database()
    database = Database(address, SCHEMA)
    with database.reading() as connection:
        for limit in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            assert connection.execute(text(f"SHOW {limit}")).scalar_one() != "0"
        client = connection.connection.driver_connection
        assert client is not None
        assert client.info.get_parameters()["tcp_user_timeout"] == "30000"
    database.close()

    database = Database(f"{address}%20-cstatement_timeout%3D7s&tcp_user_timeout=9000", SCHEMA)
    with database.reading() as connection:
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "7s"
        client = connection.connection.driver_connection
        assert client is not None
        assert client.info.get_parameters()["tcp_user_timeout"] == "9000"
    database.close()


def test_those_who_wait_while_another_tries_in_vain_wait_no_longer_than_that_one() -> None:
    silent = socket.create_server(("127.0.0.1", 0))  # takes connections, and says nothing
    with silent:
        port = silent.getsockname()[1]
        database = Database(f"postgresql://u@127.0.0.1:{port}/notes?connect_timeout=3", SCHEMA, at_once=False)
        askers = 6
        begin = threading.Barrier(askers)

        def ask() -> None:
            begin.wait()
            with pytest.raises(StoreUnusable), database.reading():
                pass

        begun = time.monotonic()
        with ThreadPoolExecutor(askers) as pool:
            for each in [pool.submit(ask) for _ in range(askers)]:
                each.result()
        took = time.monotonic() - begun
        database.close()

    # One after the other it would be eighteen.
    assert took < 12


def test_a_servers_database_that_was_dropped_and_made_anew_gets_its_tables(postgresql: PostgreSQL) -> None:
    address = postgresql.new_database()
    database = Database(address, SCHEMA)
    schema = address.rpartition("%3D")[2]
    with database.writing() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
        connection.execute(text(f"CREATE SCHEMA {schema}"))

    with pytest.raises(StoreUnusable), database.reading() as connection:
        connection.execute(select(notes))

    with database.writing() as connection:
        connection.execute(insert(notes).values(words="milk"))
    database.close()
