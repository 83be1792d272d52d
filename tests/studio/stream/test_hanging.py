"""A job that hangs is a job that is down."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from launch.pubsub_emulator import PubSubEmulator
from tests.studio.stream.one_studio import PATIENCE_SECONDS, STOP_SECONDS, OneStudio, jobs_of
from tests.waiting import eventually


def test_a_job_that_hangs_is_ended_and_what_was_asked_is_answered_by_the_next(
    emulator: PubSubEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / "cache"))
    studio = OneStudio(tmp_path, longest_silence=10.0)
    studio.publish_model("only.onnx", 0)
    with studio.running():
        [job] = jobs_of(os.getpid())
        job.suspend()
        studio.ask("patient")

        eventually(lambda: studio.stream.state.word == "restarting", "the job to be ended", PATIENCE_SECONDS)
        assert [line for line in studio.wrong.told if "it answered nothing for 10 s" in line]
        studio.until_answered("patient")
        assert not job.is_running()


def test_a_job_that_does_not_end_is_ended_within_the_time_that_there_is(
    emulator: PubSubEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / "cache"))
    studio = OneStudio(tmp_path)
    studio.publish_model("only.onnx", 0)
    studio.stream.start()
    try:
        studio.until_running()
        [job] = jobs_of(os.getpid())
        job.suspend()
    finally:
        studio.stream.stop(4.0)

    assert "did not finish within" in caplog.text
    eventually(lambda: not job.is_running(), "the job to end")


def test_a_studio_without_a_model_waits_for_one(
    emulator: PubSubEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / "cache"))
    studio = OneStudio(tmp_path)
    studio.stream.start()
    try:
        studio.ask("early")
        eventually(lambda: "waiting for one" in studio.stream.state.detail, "it to say so", PATIENCE_SECONDS)
        assert (studio.stream.state.word, studio.stream.state.live) == ("starting", None)

        studio.publish_model("first.onnx", 0)

        studio.until_answered("early")
        eventually(lambda: "stream_log" not in studio.wrong.now, "what was awaited to be over", 30)
    finally:
        studio.stream.stop(STOP_SECONDS)
