"""What is gathered of trials, in the registry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from models.reference import ModelReference, StatedTrial
from models.storage.local_objects import LocalObjects
from models.storage.objects import Found
from models.trials.kept import KeptTrials

FOLDER = "trials/models/"
TRIAL = StatedTrial(7, ModelReference("gs://b/new.h5", "a" * 64), "canary", 0.1)
LATER_STEP = replace(TRIAL, step=1)


def numbered(number: int) -> StatedTrial:
    return replace(TRIAL, number=number)


@pytest.fixture
def objects(tmp_path: Path) -> LocalObjects:
    return LocalObjects(tmp_path)


@pytest.fixture
def kept(objects: LocalObjects) -> KeptTrials:
    return KeptTrials(objects, FOLDER)


def test_each_process_is_read_as_it_wrote_last(kept: KeptTrials) -> None:
    kept.write(TRIAL, "one-1", b"first")
    kept.write(TRIAL, "one-2", b"other")
    kept.write(TRIAL, "one-1", b"second")
    kept.write(numbered(8), "one-1", b"of another trial")
    kept.write(LATER_STEP, "one-1", b"of another step")
    kept.write(replace(TRIAL, new=ModelReference(TRIAL.new.uri, "b" * 64)), "one-1", b"of another model")
    assert kept.read(TRIAL) == [b"second", b"other"]


def test_of_a_trial_that_nobody_knows_there_is_nothing(kept: KeptTrials) -> None:
    assert kept.read(TRIAL) == []
    assert kept.seconds(TRIAL) == 0


def test_whatever_a_process_is_called_its_evidence_stays_in_its_place(objects: LocalObjects, kept: KeptTrials) -> None:
    kept.write(TRIAL, "../../../live/\x1b\n" + "x" * 1000, b"mine")
    assert kept.read(TRIAL) == [b"mine"]
    assert [name for name in objects.names("") if not name.startswith(FOLDER)] == []


def test_a_large_fleet_is_read_whole(kept: KeptTrials) -> None:
    for number in range(100):
        kept.write(TRIAL, f"host-{number:03}", str(number).encode())
    assert [int(each) for each in kept.read(TRIAL)] == list(range(100))


def test_the_longest_time_of_the_latest_step_is_kept(kept: KeptTrials) -> None:
    for seconds in (30.0, 10.0):
        kept.keep_seconds(TRIAL, seconds)
    assert kept.seconds(TRIAL) == 30
    kept.keep_seconds(LATER_STEP, 5.0)
    kept.keep_seconds(TRIAL, 100.0)
    assert (kept.seconds(TRIAL), kept.seconds(LATER_STEP)) == (0, 5)


@pytest.mark.parametrize(
    "nonsense",
    [b"", b"\xff", b"[]", b"{}", b'{"step": 0, "seconds": "x"}', b'{"step": 0, "seconds": NaN}', b"[" * 9999],
)
def test_a_clock_that_cannot_be_read_begins_anew(objects: LocalObjects, kept: KeptTrials, nonsense: bytes) -> None:
    objects.swap(f"{FOLDER}7-{TRIAL.new.digest}/clock.json", nonsense, None)
    assert kept.seconds(TRIAL) == 0
    kept.keep_seconds(TRIAL, 3.0)
    assert kept.seconds(TRIAL) == 3


def test_earlier_trials_are_forgotten_and_no_others(objects: LocalObjects, kept: KeptTrials) -> None:
    for number in (2, 7, 10):
        kept.write(numbered(number), "one", b"")
        kept.keep_seconds(numbered(number), 1.0)
    other = KeptTrials(objects, "trials/others/")
    other.write(numbered(2), "one", b"theirs")
    kept.forget_before(7)
    assert [kept.read(numbered(number)) for number in (2, 7, 10)] == [[], [b""], [b""]]
    assert (kept.seconds(numbered(2)), kept.seconds(TRIAL)) == (0, 1)
    assert other.read(numbered(2)) == [b"theirs"]


class Counting(LocalObjects):
    """Counts what it is asked for."""

    reads = 0

    def read(self, name: str) -> Found | None:
        self.reads += 1
        return super().read(name)


def test_what_is_written_again_and_again_is_not_read_for_it(tmp_path: Path) -> None:
    objects = Counting(tmp_path)
    kept = KeptTrials(objects, FOLDER)
    for number in range(10):
        kept.write(TRIAL, "one", str(number).encode())
    assert objects.reads == 0
    KeptTrials(objects, FOLDER).write(TRIAL, "one", b"after a restart under the same name")
    kept.write(TRIAL, "one", b"last")
    assert kept.read(TRIAL) == [b"last"]
