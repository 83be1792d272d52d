"""While a model is tried, each image of the whole job is answered by the model whose turn it is, and told so truly."""

from __future__ import annotations

import contextlib
from itertools import count
from pathlib import Path

import pytest

from models.artefacts import DEFAULT_MAX_VALUES
from models.json_lines import whole_records
from models.reference import StatedTrial, Statement
from models.registry.registry import Registry, Terms
from models.storage.local_objects import LocalObjects
from models.trials.evidence import Evidence
from models.trials.sides import is_tried
from tests.end_to_end.local_run import Feed
from tests.end_to_end.onnx_run import OnnxRun, onnx_run
from tests.end_to_end.sdk_worker_process import SdkWorkerProcess, job_for_workers
from tests.end_to_end.telling_models import drop, stated, untrue
from tests.waiting import eventually

pytestmark = pytest.mark.end_to_end

NO_LIMITS = ("--trial-max-drift", "1000", "--trial-max-slowdown", "1000", "--trial-min-agreement", "0%")
"""What these models answer is as different as can be, and no verdict may end the trial."""
IMAGES = 300
SHARE = 0.3


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """That of the test alone, as is the cache beside it."""
    monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / "cache"))
    return Registry(
        LocalObjects(tmp_path / "registry"), str(tmp_path / "models/*.onnx"), Terms("auto", DEFAULT_MAX_VALUES)
    )


def trial_of(registry: Registry) -> StatedTrial | None:
    registry.live.look(mend=False)
    statement = registry.live.statement
    return statement.trial if statement else None


def gathered(registry: Registry, trial: StatedTrial) -> Evidence:
    whole = Evidence()
    for data in registry.trials.read(trial):
        whole.merge(Evidence.decode(data))
    return whole


def begun(run: OnnxRun, feed: Feed, registry: Registry) -> tuple[dict[str, str], StatedTrial]:
    """Has one model go live and another be tried, until this process is known to try it."""
    ids = {"old": drop(run.models, "old")}
    feed.land(1)
    run.until(lambda: run.result_lines() == 1, "an answer of the old model")
    ids["new"] = drop(run.models, "new")
    run.until(lambda: trial_of(registry) is not None, "the trial")
    trial = trial_of(registry)
    assert trial is not None

    def is_under_way() -> bool:
        feed.land(5)
        seen = gathered(registry, trial)
        return seen.new.images > 0

    run.until(is_under_way, "an image that the new model answered")
    return ids, trial


def answered(tmp_path: Path, registry: Registry, policy: str) -> tuple[OnnxRun, StatedTrial, set[str]]:
    """A run that has ended, each image of which has one answer with a true tag.

    Returns:
        It, its trial, and the images that landed before the new model was known to answer.
    """
    with onnx_run(tmp_path, "--registry", str(tmp_path / "registry"), "--trial", policy, *NO_LIMITS) as run:
        feed = Feed(run.images)
        ids, trial = begun(run, feed, registry)
        before = set(feed.landed)
        feed.land(IMAGES)
        run.until(lambda: run.result_lines() == len(feed.landed), "every result")
        assert run.finish() == 0

    results = run.records("results")
    assert sorted(result["image"] for result in results) == sorted(feed.landed)
    assert untrue(results, ids) == []
    return run, trial, before


def test_a_canarys_share_is_answered_by_the_new_model_and_all_else_by_the_old_one(
    tmp_path: Path, registry: Registry
) -> None:
    run, trial, before = answered(tmp_path, registry, "canary:30%/60")
    results = run.records("results")
    for result in results:
        if result["image"] not in before:
            side = "new" if is_tried(trial, result["message_id"] or result["image"]) else "old"
            assert result["label"] == side
    answered_by_new = sum(result["label"] == "new" for result in results)
    assert answered_by_new > 0.15 * IMAGES
    assert gathered(registry, trial).new.answered == answered_by_new
    assert gathered(registry, trial).old.answered <= len(results) - answered_by_new


def test_in_the_shadow_every_result_is_the_old_models_and_the_new_one_answers_its_share_besides(
    tmp_path: Path, registry: Registry
) -> None:
    run, trial, before = answered(tmp_path, registry, "shadow:30%/60")
    results = run.records("results")
    assert {result["label"] for result in results} == {"old"}
    assert run.records("dead") == []
    tried = {each["image"] for each in results if is_tried(trial, each["message_id"] or each["image"])}
    seen = gathered(registry, trial)
    assert len(tried - before) <= seen.paired.images <= len(tried)
    assert seen.new.answered == seen.old.answered == seen.paired.unlike == seen.paired.images


def test_every_worker_of_a_fleet_answers_the_same_messages_by_the_same_model(world: Path) -> None:
    ids, (old, new) = stated(world, "old", "new")
    trial = StatedTrial(2, new.reference, "canary", SHARE)
    sees = Statement(old.reference, 2, trial)
    messages = [f"message {number}" for number in range(60)]
    expected = {message: "new" if is_tried(trial, message) else "old" for message in messages}
    numbers = count()
    for machine in ("one", "two"):
        worker = SdkWorkerProcess(job_for_workers(world, world / machine))
        with contextlib.closing(worker):

            def tries(worker: SdkWorkerProcess = worker) -> bool:
                first = [f"before {next(numbers)}" for _ in range(20)]
                worker.give(str(world / "image.png"), first, sees)
                results = whole_records(world / "results.jsonl")
                return "new" in {each["label"] for each in results if each["message_id"] in first}

            eventually(tries, "the new model to be tried")
            for part in (messages[:7], messages[7:]):
                worker.give(str(world / "image.png"), part, sees)
    results = whole_records(world / "results.jsonl")
    assert untrue(results, ids) == []
    told = [(each["message_id"], each["label"]) for each in results if each["message_id"] in expected]
    assert sorted(told) == sorted([*expected.items()] * 2)
