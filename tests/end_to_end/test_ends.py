"""However a local run ends: what was read is finished or told, nothing is left behind, and the next run goes well."""

from __future__ import annotations

import array
import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from google.cloud import pubsub_v1

from launch.pubsub_emulator import PubSubEmulator
from tests.end_to_end.local_run import PATIENCE_SECONDS, Feed
from tests.end_to_end.onnx_run import OnnxRun, alive, left_in, onnx_run
from tests.end_to_end.telling_models import drop
from tests.launch.pubsub_emulator.pubsub_clients import SUBSCRIPTION
from tests.waiting import eventually

pytestmark = pytest.mark.end_to_end

_ROOT = Path(__file__).parents[2]
_TOPIC = "projects/hotswap-local/topics/images"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of compiled models of every run in the test."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("HOTSWAP_CACHE", str(folder))
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)
    return folder


def prepared(root: Path, images: int) -> Feed:
    """The folders of a run, with a model and so many images."""
    for folder in (root, root / "models", root / "images"):
        folder.mkdir(exist_ok=True)
    drop(root / "models", "one")
    feed = Feed(root / "images")
    feed.land(images)
    return feed


def whole_lines(path: Path) -> list[dict[str, Any]]:
    """The records of a file, every one of which must be whole."""
    data = path.read_bytes()
    assert data.endswith(b"\n") or not data
    return [json.loads(line) for line in data.splitlines()]


def assert_nothing_left(cache: Path, children: list[psutil.Process]) -> None:
    eventually(lambda: not alive(children), "the children to be gone")
    assert left_in(cache) == []


def test_a_run_told_to_end_in_mid_stream_finishes_what_it_read(cache: Path, tmp_path: Path) -> None:
    feed = prepared(tmp_path, 200)
    with onnx_run(tmp_path) as run:
        run.until(lambda: run.result_lines() > 0, "the first results")
        feed.land(50)
        children = run.children()
        run.process.send_signal(signal.SIGTERM)

        assert run.process.wait(PATIENCE_SECONDS) == 0

    results = whole_lines(tmp_path / "results.jsonl")
    assert run.books() == {"in": len(results), "results": len(results), "dead": 0, "skipped": 0}
    assert len({result["image"] for result in results}) == len(results)
    assert_nothing_left(cache, children)


def test_a_run_told_to_end_while_it_vets_its_first_model_has_read_nothing(cache: Path, tmp_path: Path) -> None:
    prepared(tmp_path, 5)
    with onnx_run(tmp_path) as run:
        children = eventually(run.children, "the vetting child")
        run.process.send_signal(signal.SIGTERM)

        assert run.process.wait(PATIENCE_SECONDS) == 0

    assert run.books()["in"] == run.books()["results"]
    assert_nothing_left(cache, children)


def test_a_run_told_to_end_while_there_is_no_model_ends_well(cache: Path, tmp_path: Path) -> None:
    prepared(tmp_path, 5)
    (tmp_path / "models" / "one.onnx").unlink()
    with onnx_run(tmp_path) as run:
        run.until(lambda: "waiting for one" in run.log(), "the run to say that it waits")
        run.process.send_signal(signal.SIGINT)

        assert run.process.wait(PATIENCE_SECONDS) == 0

    assert run.books() == {"in": 0, "results": 0, "dead": 0, "skipped": 0}


def test_a_second_interrupt_ends_a_run_that_nobody_reads(cache: Path, tmp_path: Path) -> None:
    prepared(tmp_path, 500)
    reading, writing = os.pipe()
    with onnx_run_to(writing, tmp_path) as run:
        os.close(writing)
        # A pipe holds 64 KiB, here and in the run; more than that waits for whoever should read it.
        eventually(lambda: _readable(reading) > 60_000, "a full pipe")
        run.process.send_signal(signal.SIGINT)
        run.until(lambda: "finishing what was read" in run.log(), "the run to finish what it read")
        run.process.send_signal(signal.SIGINT)

        assert run.process.wait(PATIENCE_SECONDS) == 130
    os.close(reading)
    assert_nothing_left(cache, [])


def test_a_reader_that_goes_away_ends_the_run_with_one_line(cache: Path, tmp_path: Path) -> None:
    prepared(tmp_path, 20)
    reading, writing = os.pipe()
    os.close(reading)
    with onnx_run_to(writing, tmp_path) as run:
        os.close(writing)

        assert run.process.wait(PATIENCE_SECONDS) == 1

    assert run.log().splitlines()[-1] == "error: the job failed: standard output cannot be written: Broken pipe"
    assert "Traceback" not in run.log()


def test_a_full_disk_ends_the_run_with_one_line(cache: Path, tmp_path: Path) -> None:
    prepared(tmp_path, 20)
    with onnx_run(tmp_path, "--output", "/dev/full") as run:
        assert run.process.wait(PATIENCE_SECONDS) == 1

    assert run.log().splitlines()[-1] == "error: the job failed: /dev/full cannot be written: No space left on device"
    assert "Traceback" not in run.log()
    assert run.books()["UNFINISHED"] == run.books()["in"]


def test_a_killed_run_leaves_nothing_that_stops_the_next(cache: Path, tmp_path: Path) -> None:
    feed = prepared(tmp_path, 100)
    with onnx_run(tmp_path) as killed:
        killed.until(lambda: killed.result_lines() > 0, "the first results")
        drop(tmp_path / "models", "two")
        children = eventually(killed.children, "the second model's vetting child")
        killed.process.kill()
        killed.process.wait()
    eventually(lambda: not alive(children), "the children to be gone")
    with (tmp_path / "results.jsonl").open("ab") as file:
        file.write(b'{"image": "half a li')
    (tmp_path / "log.txt").unlink()

    with onnx_run(tmp_path, "--exit-when-idle", "1") as run:
        assert run.process.wait(PATIENCE_SECONDS) == 0

    results = whole_lines(tmp_path / "results.jsonl")
    assert {result["image"] for result in results} == set(feed.landed)
    assert run.books()["results"] == len(feed.landed)
    assert_nothing_left(cache, [])


def test_two_runs_at_once_do_not_disturb_each_other(cache: Path, tmp_path: Path) -> None:
    models = tmp_path / "shared"
    models.mkdir()
    drop(models, "one")
    feeds = [prepared(tmp_path / name, 60) for name in ("left", "right")]
    ending = ("--exit-when-idle", "1")
    with (
        onnx_run(tmp_path / "left", *ending, models=models) as left,
        onnx_run(tmp_path / "right", *ending, models=models) as right,
    ):
        assert [left.process.wait(PATIENCE_SECONDS), right.process.wait(PATIENCE_SECONDS)] == [0, 0]

    for run, feed in zip((left, right), feeds, strict=True):
        images = [result["image"] for result in whole_lines(run.root / "results.jsonl")]
        assert sorted(images) == sorted(feed.landed)
    assert_nothing_left(cache, [])


def test_messages_of_another_process_emulator_are_answered_and_its_run_leaves_no_subscription(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = prepared(tmp_path, 1)
    with PubSubEmulator() as emulator:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulator.address)
        with onnx_run(tmp_path) as run:
            run.until(lambda: "ready: " in run.log(), "the ready line")
            assert f"ready: PUBSUB_EMULATOR_HOST={emulator.address} topic={_TOPIC}" in run.log()
            publisher = pubsub_v1.PublisherClient()
            publisher.publish(_TOPIC, feed.landed[0].encode(), customer="42").result(30)
            run.until(lambda: run.result_lines() == 2, "both results")
            run.process.send_signal(signal.SIGTERM)

            assert run.process.wait(PATIENCE_SECONDS) == 0
        with pubsub_v1.SubscriberClient() as subscriber:
            assert list(subscriber.list_subscriptions(project="projects/hotswap-local")) == []
        publisher.stop()

    attributes = [result["attributes"] for result in whole_lines(tmp_path / "results.jsonl")]
    assert sorted(attributes, key=str) == [{"customer": "42"}, {}]
    assert run.books() == {"in": 2, "results": 2, "dead": 0, "skipped": 0}


def test_an_emulator_that_goes_away_lets_the_run_end(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(tmp_path, 3)
    with PubSubEmulator() as emulator:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulator.address)
        emulator.create_topic(_TOPIC)
        command = [sys.executable, "-m", "beam_pipeline", f"--input_topic={_TOPIC}", f"--image_prefix={tmp_path}"]
        command += [f"--model_pattern={tmp_path}/models/*.onnx", f"--output_path={tmp_path}/results.jsonl"]
        log = tmp_path / "log.txt"
        process = subprocess.Popen([*command, "--model_poll_seconds=0.2"], stderr=log.open("wb"), cwd=_ROOT)
        eventually(lambda: "model live" in log.read_text(), f"a live model: {log.read_text()}")
    try:
        eventually(lambda: "does not answer" in log.read_text(), "the run to notice")
        process.send_signal(signal.SIGTERM)

        assert process.wait(PATIENCE_SECONDS) == 0
    finally:
        process.kill()
        process.wait()
    assert "0 in = 0 results" in log.read_text()


@pytest.mark.parametrize("module", ["launch.local", "beam_pipeline"])
def test_pubsub_out_of_reach_is_one_line_and_code_2(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
    options = {
        "launch.local": ["--models=x", f"--images={tmp_path}", f"--output={tmp_path}/o", "--image-prefix=/x"],
        "beam_pipeline": [f"--input_topic={_TOPIC}", "--model_pattern=x", f"--output_path={tmp_path}/o"],
    }
    command = [sys.executable, "-m", module, *options[module]]
    done = subprocess.run(command, capture_output=True, text=True, cwd=_ROOT, timeout=60)

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: PUBSUB_EMULATOR_HOST=127.0.0.1:1 ")


def test_a_feedback_subscription_that_is_not_there_is_one_line_and_code_2_before_anything_is_read(
    tmp_path: Path, emulator: PubSubEmulator
) -> None:
    options = [f"--input_subscription={SUBSCRIPTION}", "--model_pattern=x", f"--output_path={tmp_path}/o"]
    options += ["--trial=canary:5%/1", f"--feedback_subscription={SUBSCRIPTION}-of-labels"]
    command = [sys.executable, "-m", "beam_pipeline", *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=_ROOT, timeout=60)

    assert done.returncode == 2
    told = done.stderr.splitlines()[-1]
    assert told.startswith("error: ")
    assert f"{SUBSCRIPTION}-of-labels" in told


@contextmanager
def onnx_run_to(descriptor: int, root: Path) -> Iterator[OnnxRun]:
    """A run whose standard output is `descriptor`."""
    ours = os.dup(1)
    os.dup2(descriptor, 1)
    try:
        starting = onnx_run(root, "--output", "-")
        run = starting.__enter__()
    finally:
        os.dup2(ours, 1)
        os.close(ours)
    try:
        yield run
    finally:
        starting.__exit__(None, None, None)


def _readable(descriptor: int) -> int:
    """How many bytes wait in a pipe."""
    waiting = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, waiting)
    return waiting[0]
