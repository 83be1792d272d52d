"""True labels reach a local run by Pub/Sub while a model is tried, before the answers and after; nothing stops it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.cloud import pubsub_v1

from launch.any_storage import any_storage
from launch.pubsub_emulator import PubSubEmulator
from models.json_lines import whole_records
from models.registry.registry import Registry, Terms
from models.trials.evidence import Evidence
from tests.end_to_end.local_run import PATIENCE_SECONDS, Feed
from tests.end_to_end.onnx_run import OnnxRun, onnx_run
from tests.end_to_end.telling_models import drop
from tests.launch.pubsub_emulator.pubsub_clients import SUBSCRIPTION
from tests.waiting import eventually_alive

pytestmark = pytest.mark.end_to_end

TOPIC = "projects/hotswap-local/topics/feedback"
LABELS = "projects/hotswap-local/subscriptions/labels"
IMAGES = 30
# Whatever the two models say, this trial has a quarter of an hour, and no verdict before.
TRIAL = ["--trial", "canary:50%/15", "--trial-max-drift", "999999999", "--trial-max-slowdown", "999999999"]


class TriedRun:
    """A local run in which a second model is tried, and who publishes labels to it."""

    def __init__(self, run: OnnxRun) -> None:
        self.run = run
        self.feed = Feed(run.images)
        run.until(lambda: "feedback: " in run.log(), "the feedback line")
        words = dict(word.split("=", 1) for word in run.log().partition("ready: ")[2].split()[:2])
        self._emulator = words["PUBSUB_EMULATOR_HOST"]
        objects = any_storage().objects(str(run.root / "registry"))
        self._registry = Registry(objects, str(run.models / "*.onnx"), Terms("auto", 10_000))

    def publish(self, *messages: bytes, **attributes: str) -> int:
        """Publishes feedback; answers the id of the last message, which the emulator counts on from."""
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("PUBSUB_EMULATOR_HOST", self._emulator)
            with pubsub_v1.PublisherClient() as client:
                futures = [client.publish(TOPIC, message, **attributes) for message in messages]
                return max(int(future.result()) for future in futures)

    def answers(self) -> list[dict[str, Any]]:
        """Of images, oldest first."""
        return sorted(self.run.records("results"), key=lambda result: int(result["message_id"]))

    def gathered(self) -> Evidence:
        """What the run has written of the trial so far."""
        whole = Evidence()
        self._registry.live.look(mend=False)
        known = self._registry.live.pointer
        if known is not None and known.trial is not None:
            for data in self._registry.trials.read(known.trial.stated):
                whole.merge(Evidence.decode(data))
        return whole

    def labelled(self) -> tuple[int, int]:
        """How many labels have met an answer: of the live model, of the one that is tried."""
        evidence = self.gathered()
        return evidence.old.labelled, evidence.new.labelled


def told(message_id: object, label: str) -> bytes:
    return json.dumps({"message_id": str(message_id), "label": label}).encode()


@pytest.fixture(params=["embedded", "outside"])
def tried(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[TriedRun]:
    if request.param == "outside":
        request.getfixturevalue("emulator")
    options = ["--registry", str(tmp_path / "registry"), "--model-cache", str(tmp_path / "cache"), *TRIAL]
    with onnx_run(tmp_path, *options) as run:
        drop(run.models, "first")
        made = TriedRun(run)
        made.feed.land(1)
        run.until(lambda: bool(run.records("results")), "an answer of the first model")
        drop(run.models, "second")

        def is_tried() -> bool:
            made.feed.land(1)
            return any(result["label"] == "second" for result in run.records("results"))

        run.until(is_tried, "an answer of the second model")
        run.until(lambda: len(run.records("results")) == len(made.feed.landed), "every answer so far")
        yield made


def test_labels_meet_their_answers_once_whichever_comes_first_and_what_is_none_stops_nothing(tried: TriedRun) -> None:
    run = tried.run
    tried.feed.land(IMAGES)
    run.until(lambda: len(run.records("results")) == len(tried.feed.landed), "answers")
    answered = tried.answers()[-IMAGES:]
    by_the_first = sum(result["label"] == "first" for result in answered)

    late = [told(result["message_id"], "second") for result in answered]
    tried.publish(*late, *late)
    run.until(lambda: tried.labelled() == (by_the_first, IMAGES - by_the_first), "labels that came late")

    malformed = [b"\xff", b"[" * 50_000, told("unknown", "7"), told("", "7"), told(1, "7" * 100_000)]
    tried.publish(*malformed)
    last = tried.publish(b"{}")
    for number in range(IMAGES):
        tried.publish(b"", message_id=str(last + IMAGES + 1 + number), label="second")
    run.until(lambda: len(run.records("dead")) == len(malformed), "a dead letter of each that is malformed")
    tried.feed.land(IMAGES)
    run.until(lambda: len(run.records("results")) == len(tried.feed.landed), "answers")
    run.until(lambda: sum(tried.labelled()) == 2 * IMAGES, "labels that came before the answers")

    evidence = tried.gathered()
    assert evidence.old.right == 0
    assert evidence.new.right == evidence.new.labelled
    assert {(letter["stage"], letter["error"]) for letter in run.records("dead")} == {("message", "bad_feedback")}
    assert run.finish() == 0
    books = run.books()
    assert (books["in"], books["dead"]) == (books["results"], 0)


def test_the_job_reads_its_subscription_of_labels_while_there_is_no_image(
    tmp_path: Path, emulator: PubSubEmulator
) -> None:
    (tmp_path / "models").mkdir()
    drop(tmp_path / "models", "first")
    emulator.create_topic(TOPIC)
    emulator.create_subscription(LABELS, TOPIC)
    command = [sys.executable, "-m", "beam_pipeline", f"--input_subscription={SUBSCRIPTION}", "--trial=canary:5%/10"]
    command += [f"--model_pattern={tmp_path}/models/*.onnx", "--model_poll_seconds=0.2", f"--image_prefix={tmp_path}"]
    command += [f"--output_path={tmp_path}/results.jsonl", f"--dead_letter_path={tmp_path}/dead.jsonl"]
    command += [f"--model_cache={tmp_path}/cache", f"--feedback_subscription={LABELS}"]
    log = tmp_path / "log.txt"
    with log.open("wb") as file:
        process = subprocess.Popen(command, stderr=file, cwd=Path(__file__).parents[2])
    try:
        emulator.publish(TOPIC, b"seven", {"by": "alice"})
        eventually_alive(
            process, log.read_text, lambda: whole_records(tmp_path / "dead.jsonl"), "a dead letter", PATIENCE_SECONDS
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
    finally:
        process.kill()
        process.wait()

    [letter] = whole_records(tmp_path / "dead.jsonl")
    assert (letter["error"], letter["attributes"]) == ("bad_feedback", {"by": "alice"})
    assert "0 in = 0 results + 0 dead letters" in log.read_text()
