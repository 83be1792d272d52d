"""What keeps a model from being tried: the live one answers whatever it is, and only its own faults tell against it."""

from __future__ import annotations

from typing import Any

import pytest
from numpy.typing import NDArray

from models import live
from models.artefacts import Artefact
from models.engines.engine import Engine, Outputs
from models.engines.loading import load_engine
from models.errors import ImageFault, MachineFailed, ModelFailed, ModelFault, ModelRejected
from models.events import EventLog
from models.live import LiveModels
from models.reference import Statement
from models.storage.errors import StorageUnavailable
from models.trials.evidence import Evidence
from models.trials.gathering import Gathering
from models.trials.kept import KeptTrials
from tests.models.live_bench import Shelf
from tests.models.live_trials.trying import answer, bring, canary, live_now, tried_now, unfit
from tests.waiting import eventually


@pytest.mark.parametrize(
    "trouble",
    [
        StorageUnavailable("503"),
        MemoryError(),
        MachineFailed(ImageFault.MODEL_OUT_OF_MEMORY, "its process ended with signal 9 (Killed)"),
        MachineFailed(ImageFault.MODEL_TIMED_OUT, "it took too long to load"),
        OSError(28, "No space left on device"),
        ModelRejected(ModelFault.CHANGED_WHILE_READING, "now holds other bytes"),
        RuntimeError("whatever an engine says"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_keeps_a_model_from_being_tried_is_told_and_leaves_the_live_one_alone(
    trouble: Exception, models: LiveModels, shelf: Shelf, events: EventLog, gathering: Gathering, kept: KeptTrials
) -> None:
    old, new = shelf.model(1), shelf.model(2)
    bring(models, old, 1)
    trial = canary(new)
    gathering.follow(trial)
    shelf.troubles = [trouble] * 1000
    held = models.current()
    models.follow(Statement(old, 2, trial))
    eventually(lambda: len(shelf.troubles) < 998, "a second attempt")
    assert type(trouble).__name__ in models.why_not_tried()
    assert models.current() is held
    assert models.on_trial() is None
    shelf.troubles = []
    eventually(lambda: tried_now(models) == new, "the model to be tried after all")
    assert models.why_not_tried() == ""
    failed = [event for event in events.drain() if event.event == "failed"]
    assert [(event.model_id, type(trouble).__name__ in event.reason) for event in failed] == [(new.model_id, True)]
    gathering.close()
    [evidence] = map(Evidence.decode, kept.read(trial))
    assert not evidence.unfit_because.total
    assert evidence.not_loaded_because.total


def test_the_end_of_a_trial_ends_the_attempts_at_it(
    models: LiveModels, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "FIRST_RETRY_SECONDS", 3600.0)
    old, new, other = shelf.model(1), shelf.model(2), shelf.model(3)
    bring(models, old, 1)
    shelf.troubles = [StorageUnavailable("503")]
    models.follow(Statement(old, 2, canary(new)))
    eventually(models.why_not_tried, "a failure")
    models.follow(Statement(old, 3))
    assert models.why_not_tried() == ""
    bring(models, other, 4)


def test_a_model_on_trial_that_turns_out_to_be_unfit_is_given_up_until_the_next_trial(
    models: LiveModels, shelf: Shelf, events: EventLog, gathering: Gathering, kept: KeptTrials
) -> None:
    old, new = shelf.model(1), shelf.model(2)
    trial = canary(new)
    gathering.follow(trial)
    bring(models, old, 2, trial)
    on_trial = models.on_trial()
    assert on_trial is not None
    for _ in range(2):  # two batches at once
        models.quarantine(on_trial.model, unfit())
    assert models.on_trial() is None
    assert models.is_quarantined(on_trial.model)
    assert models.current().reference == old
    assert models.why_none() == ""
    assert "its process ended" in models.why_not_tried()
    models.follow(Statement(old, 3, canary(new, share=0.5)))
    assert tried_now(models) is None
    del on_trial
    eventually(lambda: events.counts()["retired"] == 1, "the unfit one to retire")
    assert [event.model_name for event in events.drain() if event.event == "quarantined"] == ["m2"]
    assert shelf.loads[new.digest] == 1
    bring(models, old, 9, canary(new, number=9))
    gathering.close()
    [evidence] = map(Evidence.decode, kept.read(trial))
    assert evidence.unfit_because.total == 1


def test_a_model_that_cannot_answer_its_warm_up_is_told_as_a_failure_and_never_tried(
    models: LiveModels, shelf: Shelf
) -> None:
    old, bad = shelf.model(1), shelf.model(2)
    bring(models, old, 1)
    shelf.mislabel(bad)
    models.follow(Statement(old, 2, canary(bad)))
    eventually(lambda: shelf.loads[bad.digest] >= 2, "a second attempt")
    assert models.on_trial() is None
    assert models.why_not_tried()
    assert live_now(models) == old


def test_one_whose_process_dies_while_it_is_warmed_is_given_up(shelf: Shelf, events: EventLog) -> None:
    old, new = shelf.model(1), shelf.model(2)

    def load(artefact: Artefact, threads: int) -> Engine:
        if artefact.folder.name == "2":
            raise unfit()
        return load_engine(artefact, threads)

    models = LiveModels(shelf.obtain, events, load, (1,))
    try:
        models.follow(Statement(old, 2, canary(new)))
        eventually(lambda: events.counts()["quarantined"] == 1, "the new one to be given up")
        assert models.current().reference == old
        assert "its process ended" in models.why_not_tried()
    finally:
        models.close()


@pytest.mark.parametrize("fault", [ImageFault.MODEL_TIMED_OUT, ImageFault.MODEL_OUT_OF_MEMORY])
def test_one_that_is_short_of_time_or_memory_while_it_is_warmed_is_warmed_again_later(
    fault: ImageFault, shelf: Shelf, events: EventLog, gathering: Gathering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "FIRST_RETRY_SECONDS", 0.01)
    old, new = shelf.model(1), shelf.model(2)
    troubles = [ModelFailed(fault, "on this machine")] * 2

    class Short:
        largest_run = 64

        def __init__(self, engine: Engine) -> None:
            self._engine = engine

        def predict(self, batch: NDArray[Any]) -> Outputs:
            if troubles:
                raise troubles.pop()
            return self._engine.predict(batch)

    def load(artefact: Artefact, threads: int) -> Engine:
        engine = load_engine(artefact, threads)
        return Short(engine) if artefact.folder.name == "2" else engine

    trial = canary(new)
    gathering.follow(trial)
    models = LiveModels(shelf.obtain, events, load, (1,), gathering)
    try:
        bring(models, old, 2, trial)
        assert (events.counts()["failed"], events.counts()["quarantined"]) == (1, 0)
        with gathering.noting(trial) as evidence:
            assert not evidence.unfit_because.total
            assert evidence.not_loaded_because.total
    finally:
        models.close()


def test_a_model_that_this_machine_could_not_renew_is_given_up_here_and_nothing_tells_against_it(
    models: LiveModels, shelf: Shelf, gathering: Gathering
) -> None:
    old, new = shelf.model(1), shelf.model(2)
    trial = canary(new)
    gathering.follow(trial)
    bring(models, old, 2, trial)
    on_trial = models.on_trial()
    assert on_trial is not None
    models.quarantine(on_trial.model, MachineFailed(ImageFault.MODEL_TIMED_OUT, "it took too long to load"))
    assert models.on_trial() is None
    assert "took too long" in models.why_not_tried()
    with gathering.noting(trial) as evidence:
        assert (evidence.unfit_because.total, evidence.not_loaded_because.total) == (0, 1)


def test_where_the_live_model_is_quarantined_what_was_live_before_takes_over_and_not_the_one_on_trial(
    models: LiveModels, shelf: Shelf, events: EventLog
) -> None:
    first, second, new = shelf.model(1), shelf.model(2), shelf.model(3)
    bring(models, first, 1)
    bring(models, second, 2)
    bring(models, second, 3, canary(new))
    models.quarantine(models.current(), unfit())
    assert models.current().reference == first
    assert tried_now(models) == new
    eventually(lambda: models.resident() == 2, "the quarantined one to go")


def test_a_model_given_up_on_trial_and_promoted_nevertheless_is_given_another_chance(
    models: LiveModels, shelf: Shelf
) -> None:
    old, new = shelf.model(1), shelf.model(2)
    bring(models, old, 2, canary(new))
    on_trial = models.on_trial()
    assert on_trial is not None
    models.quarantine(on_trial.model, unfit())
    bring(models, new, 3)
    assert not models.is_quarantined(models.current())


def test_a_third_model_is_not_loaded_while_a_last_batch_holds_one_before(
    models: LiveModels, shelf: Shelf, events: EventLog
) -> None:
    first, second, new = shelf.model(1), shelf.model(2), shelf.model(3)
    bring(models, first, 1)
    hung = models.current()
    bring(models, second, 2)
    models.follow(Statement(second, 3, canary(new)))
    eventually(lambda: events.counts()["failed"] == 1, "the trial to wait")
    assert shelf.loads[new.digest] == 0
    assert answer(hung) == 1
    del hung
    eventually(lambda: tried_now(models) == new, "the trial to begin")
    assert models.resident() == 2
