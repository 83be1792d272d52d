"""What `hotswap corrections` promises: all that was corrected, in a folder or a file, and nothing else touched."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from pyarrow import parquet

from studio.places import Places
from studio.store.corrections import Corrections
from tests.databases.postgresql import PostgreSQL
from tests.launch.commands.hotswap_command import Command, error_line
from tests.studio.store.drawn import new


@pytest.fixture
def studio(tmp_path: Path) -> Path:
    """The folder of a studio with two corrections."""
    folder = tmp_path / "studio"
    folder.mkdir()
    fill(str(Places(folder, folder / "models").database))
    return folder


def fill(address: str) -> None:
    with Corrections.open(address) as corrections:
        corrections.correct(new(1, 7))
        corrections.correct(new(2, 3))


def test_a_folder_a_zip_and_parquet(hotswap: Command, studio: Path, tmp_path: Path) -> None:
    for destination in ("out", "out.zip", "out.PARQUET"):
        outcome = hotswap("corrections", destination, "--folder", str(studio))
        assert (outcome.code, outcome.out) == (0, f"{destination}: 2 corrections\n")

    assert len(list(Path("out").iterdir())) == 3
    with zipfile.ZipFile("out.zip") as archive:
        assert len(archive.namelist()) == 3
    assert parquet.read_table("out.PARQUET").num_rows == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out.PARQUET", "out.zip", "studio"]


def test_a_second_export_replaces_the_first(hotswap: Command, studio: Path) -> None:
    for destination in ("out", "out.zip"):
        assert hotswap("corrections", destination, "--folder", str(studio)).code == 0
    with Corrections.open(str(studio / "studio.db")) as corrections:
        corrections.correct(new(3, 7))

    for destination in ("out", "out.zip"):
        assert hotswap("corrections", destination, "--folder", str(studio)).out == f"{destination}: 3 corrections\n"


def test_the_database_can_be_named(hotswap: Command, studio: Path, postgresql: PostgreSQL) -> None:
    address = postgresql.new_database()
    fill(address)

    assert hotswap("corrections", "file.zip", "--database", str(studio / "studio.db")).code == 0
    assert hotswap("corrections", "server.zip", "--database", address).code == 0
    both = hotswap("corrections", "out", "--database", address, "--folder", str(studio))
    assert both.code == 2
    assert "not both" in error_line(both)


def test_without_a_name_it_is_the_studios_usual_one(
    hotswap: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folder = tmp_path / "data/hotswap/studio"
    folder.mkdir(parents=True)
    fill(str(folder / "studio.db"))

    assert hotswap("corrections", "out").out == "out: 2 corrections\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["out", "--folder", "absent"], "there is no database absent/studio.db"),
        (["out", "--database", "absent.db"], "there is no database absent.db"),
        (["out", "--database", "mysql://u:secret@h/d"], "--database takes a path"),
        (["absent/out", "--folder", "studio"], "there is no folder"),
        (["photographs", "--folder", "studio"], "holds 'holiday.png', which no export wrote"),
        (["folder.zip", "--folder", "studio"], "folder.zip is a folder"),
        (["notes", "--folder", "studio"], "notes is a file"),
    ],
)
def test_what_cannot_be_is_one_line_and_nothing_is_made_or_lost(
    arguments: list[str], line: str, hotswap: Command, studio: Path, tmp_path: Path
) -> None:
    for folder in ("photographs", "folder.zip"):
        (tmp_path / folder).mkdir()
    (tmp_path / "photographs/holiday.png").write_bytes(b"dear")
    (tmp_path / "notes").write_bytes(b"dear")
    before = sorted(tmp_path.rglob("*"))

    outcome = hotswap("corrections", *arguments)

    assert outcome.code == 2
    assert line in error_line(outcome)
    assert "secret" not in outcome.err
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "notes").read_bytes() == b"dear"


def test_a_database_of_others_is_one_line(hotswap: Command, tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("not a database, but long enough to be taken for one" * 100)

    outcome = hotswap("corrections", "out", "--database", "notes.db")

    assert outcome.code == 1
    assert "the studio's database sqlite+pysqlite:///notes.db: file is not a database" in error_line(outcome)
    assert not (tmp_path / "out").exists()
