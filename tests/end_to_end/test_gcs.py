"""Models and images in Cloud Storage: the job through Google's own client, against a bucket that has its troubles."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from launch.pubsub_emulator import PubSubEmulator
from models.json_lines import whole_records
from tests.end_to_end.faulty_storage import Fault, FaultyStorage, faulty_storage
from tests.end_to_end.telling_models import digest, telling_model, untrue
from tests.launch.storage_server import BUCKET
from tests.sample_images import encoded, small
from tests.waiting import eventually

TOPIC, SUBSCRIPTION = "projects/hotswap-test/topics/images", "projects/hotswap-test/subscriptions/images"
LISTING = "/o"
ROOT = Path(__file__).parents[2]


class Job:
    """The job on this machine, in a process of its own, on a bucket."""

    def __init__(self, folder: Path, bucket: FaultyStorage, pubsub: PubSubEmulator) -> None:
        self.bucket = bucket
        self.ids: dict[str, str] = {}
        self._folder = folder
        self._pubsub = pubsub
        self._numbers = count()
        self._image = bucket.put("images/photo.png", encoded(small(), "PNG"))
        pubsub.create_topic(TOPIC)
        pubsub.create_subscription(SUBSCRIPTION, TOPIC)
        self._log = (folder / "log.txt").open("ab")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = [
            f"--input_subscription={SUBSCRIPTION}",
            f"--model_pattern=gs://{BUCKET}/models/*.onnx",
            "--model_poll_seconds=0.3",
            f"--image_prefix=gs://{BUCKET}/images/",
            "--engine=onnx",
            f"--model_cache={self._folder}/cache",
            f"--output_path={self._folder}/results.jsonl",
            f"--dead_letter_path={self._folder}/dead_letters.jsonl",
            f"--model_events_path={self._folder}/events.jsonl",
        ]
        environment = os.environ | {
            "PUBSUB_EMULATOR_HOST": self._pubsub.address,
            "STORAGE_EMULATOR_HOST": self.bucket.address,
            "GOOGLE_APPLICATION_CREDENTIALS": str(self.bucket.credentials(self._folder)),
        }
        command = [sys.executable, "-m", "beam_pipeline", *options]
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=self._log, stderr=self._log)

    def put_model(self, name: str, file_name: str) -> None:
        """Publishes a model that labels everything with `name`."""
        data = telling_model(name)
        self.ids[name] = f"{self.bucket.put(f'models/{file_name}', data)}@sha256:{digest(data)}"

    def ask(self, image: str | None = None) -> str:
        """Publishes one message; answers its number."""
        number = str(next(self._numbers))
        self._pubsub.publish(TOPIC, (image or self._image).encode(), {"number": number})
        return number

    def records(self, kind: str) -> list[dict[str, Any]]:
        return whole_records(self._folder / f"{kind}.jsonl")

    def outcome(self, number: str) -> dict[str, Any]:
        """The result or dead letter of a message, once it is there."""
        found = eventually(
            lambda: [
                r for k in ("results", "dead_letters") for r in self.records(k) if r["attributes"]["number"] == number
            ],
            f"the outcome of message {number}; the log ends: {self.log()[-1500:]}",
        )
        return found[0]

    def answers(self, name: str) -> bool:
        """Whether a message that is published now is answered by this model."""
        return bool(self.outcome(self.ask())["label"] == name)

    def log(self) -> str:
        return (self._folder / "log.txt").read_text()

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            finally:
                self.process.kill()
        self._log.close()


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    """A job whose first model is live."""
    with faulty_storage() as bucket, PubSubEmulator() as pubsub:
        running = Job(tmp_path_factory.mktemp("gcs"), bucket, pubsub)
        running.put_model("first", "a.onnx")
        running.start()
        try:
            assert running.answers("first"), running.log()
            yield running
        finally:
            running.close()


@pytest.fixture(autouse=True)
def no_faults(job: Job) -> Iterator[None]:
    yield
    job.bucket.faults.clear()


@pytest.mark.parametrize(
    "fault",
    [Fault(status=403), Fault(status=429), Fault(status=503), Fault(seconds=1.5), Fault(cut=True)],
    ids=["forbidden", "too many requests", "unavailable", "slow", "cut off"],
)
def test_a_bucket_that_cannot_be_listed_changes_nothing_and_is_caught_up_with(job: Job, fault: Fault) -> None:
    live = job.outcome(job.ask())["label"]
    name = f"after {fault}"

    hits = job.bucket.hits
    job.bucket.faults[LISTING] = fault
    eventually(lambda: job.bucket.hits > hits, "a listing that meets the fault")
    job.put_model(name, "b.onnx")
    if fault.status or fault.cut:
        assert [job.outcome(job.ask())["label"] for _ in range(3)] == [live] * 3
    job.bucket.faults.clear()

    eventually(lambda: job.answers(name), f"{name} to take over; the log ends: {job.log()[-1500:]}")


def test_an_object_that_is_overwritten_takes_over_under_a_new_id(job: Job) -> None:
    job.put_model("before", "c.onnx")
    eventually(lambda: job.answers("before"), "the new object")
    job.put_model("overwritten", "c.onnx")
    eventually(lambda: job.answers("overwritten"), "the new bytes")
    assert job.ids["before"] != job.ids["overwritten"]


def test_an_object_that_is_deleted_gives_way_to_the_one_before(job: Job) -> None:
    job.put_model("kept", "d.onnx")
    eventually(lambda: job.answers("kept"), "the first of two")
    job.put_model("deleted", "e.onnx")
    eventually(lambda: job.answers("deleted"), "the second of two")
    job.bucket.delete("models/e.onnx")
    eventually(lambda: job.answers("kept"), "the first to be back")


def test_a_model_that_is_cut_off_on_its_way_is_fetched_again_and_not_held_against_it(job: Job) -> None:
    job.bucket.faults["models/f.onnx"] = Fault(cut=True)
    hits = job.bucket.hits
    job.put_model("cut", "f.onnx")
    eventually(lambda: job.bucket.hits > hits, "the fetch that is cut off")
    job.bucket.faults.clear()
    eventually(lambda: job.answers("cut"), f"the model; the log ends: {job.log()[-1500:]}")
    assert not [e for e in job.records("events") if e["event"] == "rejected" and "f.onnx" in e["model_id"]]


@pytest.mark.parametrize("status", [429, 503])
def test_an_image_is_read_again_when_the_bucket_is_busy(job: Job, status: int) -> None:
    image = job.bucket.put(f"images/busy-{status}.png", encoded(small(), "PNG"))
    hits = job.bucket.hits
    job.bucket.faults[f"images/busy-{status}.png"] = Fault(status=status)
    number = job.ask(image)
    eventually(lambda: job.bucket.hits > hits, "a read that meets the fault")
    job.bucket.faults.clear()
    assert "label" in job.outcome(number)


def test_an_image_that_may_not_be_read_or_is_not_there_is_a_dead_letter(job: Job) -> None:
    secret = job.bucket.put("images/secret.png", encoded(small(), "PNG"))
    job.bucket.faults["images/secret.png"] = Fault(status=403)
    assert job.outcome(job.ask(secret))["error"] == "permission_denied"
    assert job.outcome(job.ask(f"gs://{BUCKET}/images/absent.png"))["error"] == "not_found"


def test_nothing_was_lost_and_every_tag_was_true(job: Job) -> None:
    asked = int(job.ask())
    job.outcome(str(asked))
    told = [r["attributes"]["number"] for kind in ("results", "dead_letters") for r in job.records(kind)]
    assert sorted(map(int, told)) == list(range(asked + 1))
    assert untrue(job.records("results"), job.ids) == []
