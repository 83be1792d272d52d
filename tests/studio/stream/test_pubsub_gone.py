"""A Pub/Sub that goes and comes back knowing nothing, or loses a message, costs no drawing its answer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud import pubsub_v1

from launch.pubsub_emulator import PubSubEmulator
from studio.errors import StudioRefused, Trouble
from tests.studio.stream.one_studio import PATIENCE_SECONDS, STOP_SECONDS, TOPICS, OneStudio, jobs_of
from tests.waiting import eventually


@pytest.fixture
def studio(emulator: PubSubEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OneStudio]:
    monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / "cache"))
    studio = OneStudio(tmp_path)
    studio.publish_model("only.onnx", 0)
    with studio.running():
        yield studio


def test_a_message_that_is_lost_is_asked_again_and_the_job_is_left_alone(studio: OneStudio) -> None:
    [job] = jobs_of(os.getpid())
    job.suspend()
    studio.ask("lost")
    with pubsub_v1.SubscriberClient() as thief:
        [taken] = thief.pull(subscription=TOPICS.subscription, max_messages=10).received_messages
        thief.acknowledge(subscription=TOPICS.subscription, ack_ids=[taken.ack_id])
    job.resume()

    studio.until_answered("lost")

    assert job.is_running()
    assert studio.stream.state.word == "running"
    assert (studio.heard.dead_letters, studio.stream.state.dead_letters) == ([], 0)
    assert studio.stream.waiting == frozenset()


def test_pubsub_that_begins_anew_has_all_it_needs_again(studio: OneStudio, emulator: PubSubEmulator) -> None:
    [job] = jobs_of(os.getpid())
    job.suspend()
    studio.ask("before the end")
    emulator.stop()
    job.resume()
    with pytest.raises(StudioRefused, match="the stream cannot be asked") as refused:
        studio.ask("nobody there")
    assert refused.value.trouble is Trouble.STREAM_UNAVAILABLE

    with PubSubEmulator(int(emulator.address.rpartition(":")[2])):
        eventually(lambda: _asks(studio, "back again"), "Pub/Sub to be found again", PATIENCE_SECONDS)
        studio.until_answered("before the end", "back again")
        assert "nobody there" not in studio.heard.drawings()

        [job] = jobs_of(os.getpid())
        started = [job, *job.children(recursive=True)]
        studio.stream.stop(STOP_SECONDS)

    assert studio.stream.state.word == "stopped"
    eventually(lambda: not [each for each in started if each.is_running()], "the job and its helpers to end")
    with pytest.raises(StudioRefused, match="the studio is ending"):
        studio.ask("too late")
    studio.stream.stop(STOP_SECONDS)


def _asks(studio: OneStudio, drawing: str) -> bool:
    try:
        studio.ask(drawing)
    except StudioRefused:
        return False
    return True
