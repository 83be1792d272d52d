"""What a process has seen of a trial gets to the registry, whatever fails on the way, and nothing else does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.reference import ModelReference, StatedTrial
from models.storage.errors import StorageUnavailable
from models.storage.local_objects import LocalObjects
from models.trials.evidence import Evidence
from models.trials.gathering import Gathering
from models.trials.gist import Gist
from models.trials.kept import KeptTrials
from tests.waiting import eventually

NEW = ModelReference("gs://b/new.h5", "0123456789ab" + "0" * 52)
TRIAL = StatedTrial(7, NEW, "canary", 0.1)
LATER = StatedTrial(8, NEW, "canary", 0.1)
NEXT_STEP = StatedTrial(7, NEW, "canary", 0.5, step=1)
ZERO = Gist("0", 0.9)


class Troubled(LocalObjects):
    """Gives no answer while it is gone."""

    is_gone = False
    asked = 0

    def swap(self, name: str, data: bytes, expected: str | None) -> str | None:
        self.asked += 1
        if self.is_gone:
            raise StorageUnavailable("503")
        return super().swap(name, data, expected)


@pytest.fixture
def objects(tmp_path: Path) -> Troubled:
    return Troubled(tmp_path / "registry")


@pytest.fixture
def kept(objects: Troubled) -> KeptTrials:
    return KeptTrials(objects, "trials/")


@pytest.fixture
def gathering(kept: KeptTrials) -> Iterator[Gathering]:
    gathering = Gathering(kept, write_seconds=0.01)
    yield gathering
    gathering.close()


def answered(gathering: Gathering, trial: StatedTrial = TRIAL, times: int = 1) -> None:
    with gathering.noting(trial) as evidence:
        for _ in range(times):
            evidence.answered("new", ZERO)


def written(kept: KeptTrials, trial: StatedTrial = TRIAL) -> int:
    """Images that the new model answered, as the registry knows of all processes."""
    whole = Evidence()
    for data in kept.read(trial):
        whole.merge(Evidence.decode(data))
    return whole.new.answered


def test_what_was_seen_gets_to_the_registry_and_so_does_what_is_seen_later(
    gathering: Gathering, kept: KeptTrials
) -> None:
    gathering.follow(TRIAL)
    answered(gathering)
    eventually(lambda: written(kept) == 1, "one image")
    answered(gathering, times=2)
    eventually(lambda: written(kept) == 3, "all three images")
    assert len(kept.read(TRIAL)) == 1


def test_processes_add_up_even_where_they_come_back_under_the_same_name(kept: KeptTrials) -> None:
    for _ in range(2):
        process = Gathering(kept, write_seconds=0.01)
        process.follow(TRIAL)
        answered(process, times=5)
        process.close()
    assert written(kept) == 10


def test_the_end_writes_what_is_not_written_yet(kept: KeptTrials) -> None:
    gathering = Gathering(kept, write_seconds=3600)
    gathering.follow(TRIAL)
    answered(gathering)
    gathering.close()
    assert written(kept) == 1
    answered(gathering)
    gathering.follow(LATER)
    gathering.close()
    assert written(kept) == 1


def test_the_end_of_a_trial_writes_at_once(kept: KeptTrials) -> None:
    gathering = Gathering(kept, write_seconds=3600)
    gathering.follow(TRIAL)
    answered(gathering)
    gathering.follow(None)
    eventually(lambda: written(kept) == 1, "the image")
    gathering.close()


def test_what_is_seen_of_each_step_is_written_for_itself(gathering: Gathering, kept: KeptTrials) -> None:
    gathering.follow(TRIAL)
    answered(gathering)
    gathering.follow(NEXT_STEP)
    answered(gathering, NEXT_STEP, times=2)
    answered(gathering, TRIAL)
    eventually(lambda: written(kept) == 1 and written(kept, NEXT_STEP) == 2, "the images of both steps")


def test_what_keeps_a_process_from_trying_the_model_counts_in_each_step(gathering: Gathering, kept: KeptTrials) -> None:
    gathering.follow(TRIAL)
    gathering.not_loaded(TRIAL, "MemoryError")
    gathering.follow(NEXT_STEP)
    gathering.unfit(TRIAL, "it was found out while the next step began")
    gathering.close()
    [evidence] = map(Evidence.decode, kept.read(NEXT_STEP))
    assert (evidence.not_loaded_because.total, evidence.unfit_because.total) == (1, 1)


def test_of_another_trial_than_the_one_under_way_nothing_is_kept(gathering: Gathering, kept: KeptTrials) -> None:
    answered(gathering)
    gathering.follow(LATER)
    answered(gathering)
    answered(gathering, LATER)
    eventually(lambda: written(kept, LATER) == 1, "that of the trial under way")
    gathering.close()
    assert kept.read(TRIAL) == []
    assert written(kept, LATER) == 1


def test_without_anything_new_nothing_is_written(gathering: Gathering, kept: KeptTrials, objects: Troubled) -> None:
    gathering.follow(TRIAL)
    gathering.close()
    assert objects.asked == 0


def test_a_registry_that_is_gone_loses_nothing_and_is_said_once(
    gathering: Gathering, kept: KeptTrials, objects: Troubled, caplog: pytest.LogCaptureFixture
) -> None:
    gathering.follow(TRIAL)
    objects.is_gone = True
    answered(gathering)
    eventually(lambda: objects.asked >= 3, "three attempts")
    answered(gathering, times=2)
    gathering.follow(StatedTrial(8, NEW, "shadow", 0.1))
    answered(gathering, StatedTrial(8, NEW, "shadow", 0.1))
    objects.is_gone = False
    eventually(lambda: written(kept) == 3 and written(kept, LATER) == 1, "everything of both trials")
    assert sum("is not written yet" in record.message for record in caplog.records) == 1


def test_a_registry_that_is_gone_for_good_does_not_keep_the_end_waiting(
    gathering: Gathering, objects: Troubled
) -> None:
    gathering.follow(TRIAL)
    objects.is_gone = True
    answered(gathering)
    gathering.close()
    assert objects.asked


def test_why_the_new_model_is_not_tried_is_noted(gathering: Gathering, kept: KeptTrials) -> None:
    gathering.follow(TRIAL)
    gathering.not_loaded(TRIAL, "MemoryError")
    gathering.unfit(TRIAL, "model_crashed: its process ended")
    gathering.close()
    [evidence] = map(Evidence.decode, kept.read(TRIAL))
    assert (evidence.not_loaded_because.total, evidence.unfit_because.total) == (1, 1)


def test_threads_that_note_side_by_side_lose_nothing(gathering: Gathering, kept: KeptTrials) -> None:
    gathering.follow(TRIAL)

    def note() -> None:
        for _ in range(500):
            answered(gathering)

    threads = [threading.Thread(target=note) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gathering.close()
    assert written(kept) == 2000


def test_each_step_is_timed_anew_and_nothing_is_of_a_trial_that_is_not_under_way(gathering: Gathering) -> None:
    gathering.follow(TRIAL)
    assert gathering.matching(TRIAL) is gathering.matching(TRIAL) is not None
    assert gathering.matching(LATER) is None
    gathering.follow(NEXT_STEP)
    assert gathering.matching(NEXT_STEP) is not gathering.matching(TRIAL)
