"""Corrections are exported whole or not at all, as a folder, a ZIP and Parquet, and read back as they were."""

from __future__ import annotations

import io
import json
import sqlite3
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from databases.errors import StoreUnusable
from studio.errors import StudioRefused, Trouble
from studio.retraining.corrections import read_corrections
from studio.store.corrections import Corrections
from tests.studio.store.drawn import BROWSER, new, png


def lines(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.splitlines()]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def three(corrections: Corrections) -> Corrections:
    """Three corrections; a fourth was taken back, and the first was changed last."""
    for number in range(4):
        corrections.correct(new(number, 7, answer="\u2028<script>\n"))
    corrections.take_back("drawing-3", BROWSER)
    corrections.correct(new(0, 2))
    return corrections


def test_a_folder_is_what_retraining_reads(three: Corrections, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert three.export(folder) == 3

    assert names(folder) == ["0000001.png", "0000002.png", "0000003.png", "corrections.jsonl"]
    found = lines((folder / "corrections.jsonl").read_bytes())
    assert [(each["image"], each["label"], each["unseen"]) for each in found] == [
        ("0000002.png", 7, True),
        ("0000003.png", 7, False),
        ("0000001.png", 2, False),
    ]
    assert found[0]["answer"] == "\u2028<script>\n"
    assert set(found[0]) == {"image", "label", "unseen", "answer", "score", "model_id", "time"}
    assert (folder / "0000001.png").read_bytes() == png(0)
    _read, left_out = read_corrections(folder, {"most_corrections": 100})
    assert left_out == {}


def test_an_export_replaces_the_one_before_and_leaves_nothing_else(three: Corrections, tmp_path: Path) -> None:
    folder = tmp_path / "exports" / "out"
    three.export(folder)
    three.take_back("drawing-1", BROWSER)
    # As a killed export leaves them.
    (folder.parent / ".out.fresh").mkdir()
    (folder.parent / ".out.former").mkdir()
    (folder.parent / ".out.former" / "0000009.png").touch()

    assert three.export(folder) == 2

    assert names(folder) == ["0000001.png", "0000003.png", "corrections.jsonl"]
    assert names(folder.parent) == ["out"]


def test_the_latest_are_exported_where_there_are_more(three: Corrections, tmp_path: Path) -> None:
    assert three.export(tmp_path / "out", most=2) == 2

    assert names(tmp_path / "out") == ["0000001.png", "0000003.png", "corrections.jsonl"]


def test_nothing_is_an_empty_export(corrections: Corrections, tmp_path: Path) -> None:
    assert corrections.export(tmp_path / "out") == 0
    assert (tmp_path / "out" / "corrections.jsonl").read_bytes() == b""


def test_a_folder_of_others_is_left_alone(three: Corrections, tmp_path: Path) -> None:
    folder = tmp_path / "photographs"
    folder.mkdir()
    (folder / "holiday.png").write_bytes(b"dear")

    with pytest.raises(StudioRefused, match=r"holiday\.png") as refused:
        three.export(folder)

    assert refused.value.trouble is Trouble.NOT_POSSIBLE
    assert names(folder) == ["holiday.png"]
    (tmp_path / "file").touch()
    with pytest.raises(StudioRefused, match="is a file"):
        three.export(tmp_path / "file")


def test_a_database_that_goes_away_leaves_the_export_as_it_was(tmp_path: Path) -> None:
    database = tmp_path / "kept.db"
    with Corrections.open(str(database)) as corrections:
        corrections.correct(new(1, 7))
        corrections.export(tmp_path / "out")
        before = (tmp_path / "out" / "corrections.jsonl").read_bytes()
        with sqlite3.connect(database) as connection:
            connection.execute("DROP TABLE corrections")

        with pytest.raises(StoreUnusable, match="no such table: corrections"):
            corrections.export(tmp_path / "out")

    assert (tmp_path / "out" / "corrections.jsonl").read_bytes() == before
    assert not list(tmp_path.glob(".out.*"))


def test_a_zip_holds_the_same_as_the_folder(three: Corrections, tmp_path: Path) -> None:
    three.export(tmp_path / "out")
    file = io.BytesIO()

    assert three.write_zip(file) == 3

    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        found = {name: archive.read(name) for name in archive.namelist()}
    assert found == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}


def test_parquet_is_typed_and_read_back_as_it_was(three: Corrections, tmp_path: Path) -> None:
    with (tmp_path / "out.parquet").open("wb") as file:
        assert three.write_parquet(file) == 3

    table = parquet.read_table(tmp_path / "out.parquet")
    assert {field.name: str(field.type) for field in table.schema} == {
        "number": "int64",
        "drawing": "string",
        "png": "binary",
        "label": "int8",
        "answer": "string",
        "score": "double",
        "model_id": "string",
        "unseen": "bool",
        "time": "timestamp[us, tz=UTC]",
    }
    kept = {each.number: each for each in three.latest(10)}
    for row in table.to_pylist():
        each = kept.pop(row["number"])
        assert (row["drawing"], row["png"], row["label"]) == (each.drawing, each.png, each.label)
        assert (row["answer"], row["score"], row["model_id"]) == (each.answer, each.score, each.model_id)
        assert (row["unseen"], row["time"]) == (each.unseen, datetime.fromisoformat(each.time))
    assert kept == {}


def test_parquet_of_nothing_has_its_columns(corrections: Corrections) -> None:
    file = io.BytesIO()
    assert corrections.write_parquet(file) == 0

    assert parquet.read_table(pyarrow.BufferReader(file.getvalue())).column_names[:3] == ["number", "drawing", "png"]


def test_what_is_changed_while_it_is_exported_is_in_it_once(tmp_path: Path) -> None:
    with Corrections.open(str(tmp_path / "kept.db")) as corrections:
        for number in range(501):
            corrections.correct(new(number % 7, 7, drawing=f"drawing-{number}"))

        class Changing(io.BytesIO):
            """Is written to as a file; what it is written first is changed meanwhile."""

            def write(self, data: Any, /) -> int:
                corrections.correct(new(0, 2))
                return super().write(data)

        file = Changing()
        assert corrections.write_zip(file) == 501

    with zipfile.ZipFile(file) as archive:
        assert len(set(archive.namelist())) == len(archive.namelist()) == 502
        assert len(lines(archive.read("corrections.jsonl"))) == 501


def test_many_are_written_in_several_reads(tmp_path: Path) -> None:
    with Corrections.open(str(tmp_path / "kept.db")) as corrections:
        for number in range(501):
            corrections.correct(new(number % 7, number % 10, drawing=str(number)))
        file = io.BytesIO()

        assert corrections.write_parquet(file) == 501
        assert corrections.export(tmp_path / "out") == 501

    assert sorted(parquet.read_table(pyarrow.BufferReader(file.getvalue()))["number"].to_pylist()) == [*range(1, 502)]
    assert parquet.ParquetFile(pyarrow.BufferReader(file.getvalue())).num_row_groups == 2
