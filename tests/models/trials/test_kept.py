"""What is gathered of trials, in the registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.storage.local_objects import LocalObjects
from models.trials.kept import KeptTrials

FOLDER = "trials/models/"


@pytest.fixture
def objects(tmp_path: Path) -> LocalObjects:
    return LocalObjects(tmp_path)


@pytest.fixture
def kept(objects: LocalObjects) -> KeptTrials:
    return KeptTrials(objects, FOLDER)


def test_each_process_is_read_as_it_wrote_last(kept: KeptTrials) -> None:
    kept.write(7, "one-1", b"first")
    kept.write(7, "one-2", b"other")
    kept.write(7, "one-1", b"second")
    kept.write(8, "one-1", b"of another trial")
    assert kept.read(7) == [b"second", b"other"]


def test_of_a_trial_that_nobody_knows_there_is_nothing(kept: KeptTrials) -> None:
    assert kept.read(7) == []
    assert kept.seconds(7, 0) == 0


def test_whatever_a_process_is_called_its_evidence_stays_in_its_place(objects: LocalObjects, kept: KeptTrials) -> None:
    kept.write(7, "../../../live/\x1b\n" + "x" * 1000, b"mine")
    assert kept.read(7) == [b"mine"]
    assert [name for name in objects.names("") if not name.startswith(FOLDER)] == []


def test_a_large_fleet_is_read_whole(kept: KeptTrials) -> None:
    for number in range(100):
        kept.write(7, f"host-{number:03}", str(number).encode())
    assert [int(each) for each in kept.read(7)] == list(range(100))


def test_the_longest_time_of_the_latest_step_is_kept(kept: KeptTrials) -> None:
    for step, seconds in ((0, 30.0), (0, 10.0)):
        kept.keep_seconds(7, step, seconds)
    assert kept.seconds(7, 0) == 30
    kept.keep_seconds(7, 1, 5.0)
    kept.keep_seconds(7, 0, 100.0)
    assert (kept.seconds(7, 0), kept.seconds(7, 1)) == (0, 5)


@pytest.mark.parametrize(
    "nonsense",
    [b"", b"\xff", b"[]", b"{}", b'{"step": 0, "seconds": "x"}', b'{"step": 0, "seconds": NaN}', b"[" * 9999],
)
def test_a_clock_that_cannot_be_read_begins_anew(objects: LocalObjects, kept: KeptTrials, nonsense: bytes) -> None:
    objects.swap(f"{FOLDER}7/clock.json", nonsense, None)
    assert kept.seconds(7, 0) == 0
    kept.keep_seconds(7, 0, 3.0)
    assert kept.seconds(7, 0) == 3


def test_earlier_trials_are_forgotten_and_no_others(objects: LocalObjects, kept: KeptTrials) -> None:
    for number in (2, 7, 10):
        kept.write(number, "one", b"")
        kept.keep_seconds(number, 0, 1.0)
    other = KeptTrials(objects, "trials/others/")
    other.write(2, "one", b"theirs")
    kept.forget_before(7)
    assert [kept.read(number) for number in (2, 7, 10)] == [[], [b""], [b""]]
    assert (kept.seconds(2, 0), kept.seconds(7, 0)) == (0, 1)
    assert other.read(2) == [b"theirs"]
