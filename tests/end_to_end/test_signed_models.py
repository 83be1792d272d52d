"""A run that trusts one key answers with the models that it signed, whatever else is dropped."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.local_run import PATIENCE_SECONDS, Feed
from tests.end_to_end.onnx_run import onnx_run
from tests.model_files import tiny_classifier
from tests.models.signatures.makers import Maker

pytestmark = pytest.mark.end_to_end


def test_only_what_a_trusted_key_signed_ever_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)
    alice, mallory = Maker(tmp_path / "keys", "alice"), Maker(tmp_path / "keys", "mallory")
    models = tmp_path / "models"
    (tmp_path / "images").mkdir()
    feed = Feed(tmp_path / "images", 8)

    def publish(name: str, favours: int, *sign: str) -> str:
        source = tiny_classifier(tmp_path / f"{name}.onnx", favours=favours)
        command = [sys.executable, "-m", "launch.cli", "publish", str(source), f"{models}/{name}.onnx", *sign]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
        return done.stdout.splitlines()[-1]

    first = publish("first", 0, "--sign", str(alice.private))
    with onnx_run(tmp_path, "--engine", "onnx", "--trusted-key", str(alice.public)) as run:
        feed.land(20)
        run.until(lambda: run.result_lines() == 20, "the first results")
        publish("unsigned", 1)
        publish("by-mallory", 1, "--sign", str(mallory.private))
        run.until(lambda: len(run.events("rejected")) == 2, "two rejections")
        feed.land(20)
        run.until(lambda: run.result_lines() == 40, "more results")
        second = publish("second", 2, "--sign", str(alice.private))
        run.until(lambda: len(run.events("live")) == 2, "the swap")
        feed.land(20)
        run.until(lambda: run.result_lines() == 60, "the last results")
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(PATIENCE_SECONDS) == 0
    assert {each["reason"].split(":")[0] for each in run.events("rejected")} == {"unsigned", "bad_signature"}
    assert {each["model_id"] for each in run.records("results")[:40]} == {first}
    assert {each["model_id"] for each in run.records("results")[40:]} == {second}
