"""A model that vetting accepted harms the job by no image: books balance, tags are true, the run ends when asked."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import psutil
import pytest
from PIL import Image

from tests.end_to_end.local_run import PATIENCE_SECONDS, Feed
from tests.end_to_end.onnx_run import OnnxRun, onnx_run
from tests.models.vetting.processes import HOST
from tests.treacherous_models import SIDE, TREACHERIES, TRIGGER, endless, treacherous
from tests.waiting import eventually

pytestmark = pytest.mark.end_to_end

WORDS = {
    "wider_row": "wrong_answer_shape",
    "one_row_more": "wrong_answer_shape",
    "endless": "model_timed_out",
    "allocates": "model_out_of_memory",
    "crashes": "model_crashed",
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)


def prepared(root: Path, kind: str, images: int) -> Feed:
    """The folders of a run with a treacherous model, and so many images, none of which triggers it."""
    for folder in (root / "models", root / "images"):
        folder.mkdir()
    treacherous(root / "models" / f"{kind}.onnx", TREACHERIES[kind]())
    feed = Feed(root / "images", SIDE)
    feed.land(min(images, TRIGGER))
    return feed


def land_trigger(root: Path, name: str = "trigger.png") -> str:
    path = root / "images" / name
    Image.new("RGB", (SIDE, SIDE), (TRIGGER,) * 3).save(path.with_name(f".{name}"), "PNG")
    path.with_name(f".{name}").rename(path)
    return str(path)


def hosts(run: OnnxRun) -> list[psutil.Process]:
    return [each for each in run.children() if HOST in each.cmdline()]


@pytest.mark.parametrize("kind", WORDS)
def test_one_image_that_a_model_cannot_bear_is_one_dead_letter(tmp_path: Path, kind: str) -> None:
    prepared(tmp_path, kind, 60)
    culprit = land_trigger(tmp_path)
    with onnx_run(tmp_path, "--engine", "onnx") as run:
        run.until(lambda: run.result_lines() == 60 and len(run.records("dead")) == 1, "all outcomes")
        assert run.process.poll() is None
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(PATIENCE_SECONDS) == 0
    (letter,) = run.records("dead")
    (accepted,) = [event for event in run.records("events") if event["event"] == "accepted"]
    assert (letter["image"], letter["stage"], letter["error"]) == (culprit, "predict", WORDS[kind])
    assert letter["model_id"] == accepted["model_id"]
    assert {result["model_id"] for result in run.records("results")} == {accepted["model_id"]}
    assert run.books() == {"in": 61, "results": 60, "dead": 1, "skipped": 0}
    assert not [event for event in run.records("events") if event["event"] == "quarantined"]


def test_a_run_told_to_end_while_its_model_hangs_ends_within_seconds(tmp_path: Path) -> None:
    prepared(tmp_path, endless.__name__, 5)
    with onnx_run(tmp_path, "--engine", "onnx") as run:
        run.until(lambda: run.result_lines() == 5, "the first results")
        culprit = land_trigger(tmp_path)
        (host,) = hosts(run)
        used = host.cpu_times().user
        eventually(lambda: host.cpu_times().user > used + 0.5, "the model to hang")
        run.process.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        assert run.process.wait(PATIENCE_SECONDS) == 0
        assert time.monotonic() - asked < 20  # five on a machine that does nothing else
    assert [(letter["image"], letter["error"]) for letter in run.records("dead")] == [(culprit, "model_timed_out")]
    assert not psutil.pid_exists(host.pid)


def test_hosts_that_are_killed_and_stopped_at_random_cost_no_image(tmp_path: Path) -> None:
    prepared(tmp_path, "crashes", 0)
    feed = Feed(tmp_path / "images", SIDE)
    chance = random.Random(7)
    with onnx_run(tmp_path, "--engine", "onnx", "--max-batch-size", "8") as run:
        run.until(lambda: any(event["event"] == "live" for event in run.records("events")), "the model to be live")
        killed = 0
        while killed < 12:
            feed.land(50)
            for host in hosts(run):
                try:
                    host.send_signal(chance.choice([signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP]))
                    killed += 1
                except psutil.NoSuchProcess:
                    continue
            before = run.result_lines()
            eventually(lambda: run.result_lines() > before, "the stream to go on", PATIENCE_SECONDS)  # noqa: B023
        whites = [path for path in feed.landed if int(Path(path).stem) % 256 != TRIGGER]
        run.until(lambda: run.result_lines() >= len(whites), "all results")
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(PATIENCE_SECONDS) == 0
    letters = {letter["image"] for letter in run.records("dead")}
    assert letters == set(feed.landed) - set(whites)
    assert sorted(result["image"] for result in run.records("results")) == sorted(whites)
    assert len({result["model_id"] for result in run.records("results")}) == 1
