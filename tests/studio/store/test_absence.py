"""A database that goes away while it is open is told of in a line by each call, and answers again once it is back."""

from __future__ import annotations

import io
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from databases.errors import StoreUnusable
from studio.store.corrections import Corrections
from tests.databases.postgresql import postgresql_server
from tests.studio.store.drawn import BROWSER, MODEL, new

CALLS: dict[str, Callable[[Corrections, Path], object]] = {
    "correct": lambda corrections, _: corrections.correct(new(2, 7)),
    "take_back": lambda corrections, _: corrections.take_back("drawing-1", BROWSER),
    "counts": lambda corrections, _: corrections.counts(),
    "latest": lambda corrections, _: corrections.latest(10),
    "export": lambda corrections, folder: corrections.export(folder / "out"),
    "write_parquet": lambda corrections, _: corrections.write_parquet(io.BytesIO()),
    "write_zip": lambda corrections, _: corrections.write_zip(io.BytesIO()),
    "keep_reading": lambda corrections, _: corrections.keep_reading(1, "next", "7", 0.5),
    "without_reading": lambda corrections, _: corrections.without_reading(MODEL, 10),
    "accuracy": lambda corrections, _: corrections.accuracy(),
    "begin_run": lambda corrections, _: corrections.begin_run("tuning"),
    "end_run": lambda corrections, _: corrections.end_run(1, "failed", "", "", None),
    "runs": lambda corrections, _: corrections.runs(10),
}


def assert_each_call_says(corrections: Corrections, what: str, folder: Path) -> None:
    for name, call in CALLS.items():
        with pytest.raises(StoreUnusable, match=what) as refused:
            call(corrections, folder)
        assert "\n" not in str(refused.value), name


def assert_each_call_works(corrections: Corrections, folder: Path) -> None:
    for call in CALLS.values():
        call(corrections, folder)


def test_a_server_that_is_stopped_and_begun_again(tmp_path: Path) -> None:
    with postgresql_server() as server, Corrections.open(server.new_database()) as corrections:
        corrections.correct(new(1, 7))
        server.stop()
        assert_each_call_says(corrections, "the studio's database postgresql", tmp_path)

        server.start()
        assert corrections.counts().total == 1
        assert_each_call_works(corrections, tmp_path)


def test_a_server_that_is_begun_again_in_between_costs_no_call(tmp_path: Path) -> None:
    with postgresql_server() as server, Corrections.open(server.new_database()) as corrections:
        corrections.correct(new(1, 7))
        server.stop()
        server.start()

        assert_each_call_works(corrections, tmp_path)


def test_a_server_that_comes_later_is_opened_then(tmp_path: Path) -> None:
    with postgresql_server() as server:
        address = server.new_database()
        server.stop()
        with pytest.raises(StoreUnusable):
            Corrections.open(address)
        with Corrections.open(address, at_once=False) as corrections:
            assert_each_call_says(corrections, "the studio's database postgresql", tmp_path)

            server.start()
            assert_each_call_works(corrections, tmp_path)


def test_what_is_no_database_is_refused_at_once_all_the_same() -> None:
    with pytest.raises(StoreUnusable, match="--database takes"):
        Corrections.open("mysql://u:secret@h/d", at_once=False)


def test_a_file_that_is_moved_away_and_back(tmp_path: Path) -> None:
    path, away = tmp_path / "kept.db", tmp_path / "away.db"
    with Corrections.open(str(path)) as corrections:
        corrections.correct(new(1, 7))
        path.rename(away)
        assert_each_call_says(corrections, "the file is gone; put it back, or start again for a new one", tmp_path)
        assert not path.exists()

        away.rename(path)
        assert corrections.counts().total == 1
        assert_each_call_works(corrections, tmp_path)


def test_a_file_that_is_removed_is_not_written_to_any_more_and_a_backup_takes_its_place(tmp_path: Path) -> None:
    path, backup = tmp_path / "kept.db", tmp_path / "backup.db"
    with Corrections.open(str(path)) as corrections:
        corrections.correct(new(1, 7))
    shutil.copy(path, backup)
    with Corrections.open(str(path)) as corrections:
        corrections.correct(new(2, 7))
        for each in tmp_path.glob("kept.db*"):
            each.unlink()
        assert_each_call_says(corrections, "the file is gone", tmp_path)

        backup.rename(path)
        assert [each.drawing for each in corrections.latest(10)] == ["drawing-1"]
        assert_each_call_works(corrections, tmp_path)


def test_an_empty_file_in_its_place_gets_the_tables(tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    with Corrections.open(str(path)) as corrections:
        corrections.correct(new(1, 7))
        path.unlink()
        path.touch(mode=0o600)

        assert corrections.counts().total == 0
        assert_each_call_works(corrections, tmp_path)
        assert corrections.counts().total == 1
    with Corrections.open(str(path)) as again:
        assert again.counts().total == 1


def test_a_process_that_changes_its_folder_keeps_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Corrections.open("kept.db") as corrections:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")

        assert_each_call_works(corrections, tmp_path)
    assert (tmp_path / "kept.db").is_file()


def test_a_full_disk_is_told_and_nothing_is_half_written(tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    with Corrections.open(str(path)) as corrections:
        corrections.correct(new(1, 7))
        with no_file_larger_than(path.with_name("kept.db-wal").stat().st_size):
            with pytest.raises(StoreUnusable, match=r"the studio's database .*kept\.db: .*(full|I/O)") as refused:
                corrections.correct(new(2, 7))
            assert corrections.counts().total == 1

        assert "\n" not in str(refused.value)
        assert corrections.counts().total == 1
        assert_each_call_works(corrections, tmp_path)
        assert corrections.counts().total == 1


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """As on a disk that is full: the system lets no file of this process grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, former)
