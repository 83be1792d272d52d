"""Whoever asks the stream hears one answer, whatever becomes of its job and of Pub/Sub."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from launch.pubsub_emulator import PubSubEmulator
from studio.stream.figures import Figures
from tests.studio.stream.one_studio import PATIENCE_SECONDS, TOPICS, OneStudio, jobs_of
from tests.waiting import eventually


@pytest.fixture(scope="module")
def environment() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as environment:
        yield environment


@pytest.fixture(scope="module")
def emulator(environment: pytest.MonkeyPatch) -> Iterator[PubSubEmulator]:
    with PubSubEmulator() as emulator:
        environment.setenv("PUBSUB_EMULATOR_HOST", emulator.address)
        yield emulator


@pytest.fixture(scope="module")
def studio(
    emulator: PubSubEmulator, environment: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OneStudio]:
    root = tmp_path_factory.mktemp("studio")
    environment.setenv("HOTSWAP_CACHE", str(root / "cache"))
    studio = OneStudio(root)
    studio.publish_model("first.onnx", 0)
    with studio.running():
        yield studio


def test_each_drawing_is_answered_once_with_its_own_attributes(studio: OneStudio) -> None:
    drawings = [f"each{number}" for number in range(30)]

    studio.ask(*drawings)

    studio.until_answered(*drawings)
    results = list(studio.heard.results)
    answers = [record for record in results if record["attributes"].get("drawing", "").startswith("each")]
    assert sorted(record["attributes"]["drawing"] for record in answers) == sorted(drawings)
    assert {record["image"] for record in answers} == {str(studio.places.drawings / f"{each}.png") for each in drawings}
    assert all(set(record["attributes"]) == {"drawing", "purpose"} for record in answers)


def test_a_stream_that_runs_says_which_model_answers(studio: OneStudio) -> None:
    state = studio.stream.state

    assert (state.word, state.detail) == ("running", "")
    assert state.live is not None
    assert f"{state.live.name}.onnx@sha256:" in state.live.model_id
    assert studio.heard.has_changed.is_set()
    studio.ask("by the live model")
    studio.until_answered("by the live model")
    assert answer_to(studio, "by the live model")["model_id"] == state.live.model_id


def answer_to(studio: OneStudio, drawing: str) -> Mapping[str, Any]:
    """The one result of a drawing."""
    [found] = [each for each in list(studio.heard.results) if each["attributes"].get("drawing") == drawing]
    return found


def letters(studio: OneStudio, name: str, value: object) -> list[Mapping[str, Any]]:
    """Dead letters of which something is true."""
    return [each for each in list(studio.heard.dead_letters) if each.get(name) == value]


def test_a_file_that_is_no_image_is_a_dead_letter_of_whoever_asked(studio: OneStudio) -> None:
    path = studio.places.drawings / "broken.png"
    path.write_bytes(b"no image")
    figures = Figures(studio.places)
    attributes = {"drawing": "broken", "purpose": "answer"}

    studio.stream.ask(path, attributes)

    eventually(lambda: letters(studio, "attributes", attributes), "the dead letter", PATIENCE_SECONDS)
    [letter] = letters(studio, "attributes", attributes)
    assert letter["error"] == "not_an_image"
    assert studio.stream.state.dead_letters == len(studio.heard.dead_letters)
    figures.take_dead_letter(letter)
    [told] = figures.history()["dead_letters"]
    assert figures.picture(told["id"]) is None


def test_an_image_of_a_stranger_is_told_too(studio: OneStudio, emulator: PubSubEmulator) -> None:
    path = studio.draw("strange")

    number = emulator.publish(TOPICS.images, str(path).encode(), {"customer": "42"})

    eventually(
        lambda: [each for each in studio.heard.results if each["message_id"] == number], "its answer", PATIENCE_SECONDS
    )
    [told] = [each for each in studio.heard.results if each["message_id"] == number]
    assert told["attributes"] == {}


def test_records_that_strangers_forge_hold_up_no_answer(studio: OneStudio, emulator: PubSubEmulator) -> None:
    """More than a subscription delivers before the first is acknowledged."""
    odd: list[dict[str, object]] = [
        {"attributes": {"purpose": "answer", "drawing": ["x"]}, "label": "1", "top": 5},
        {"attributes": 7, "publish_time": [], "predict_time": {}, "model_id": 10**400},
        {"attributes": {"purpose": "reading", "correction": "1"}, "label": "9", "score": "high"},
    ]
    for number in range(1_200):
        forged = json.dumps({**odd[number % len(odd)], "message_id": f"forged {number}"}).encode()
        emulator.publish(TOPICS.results, forged)

    studio.ask("after the forged")

    studio.until_answered("after the forged")
    told = [each for each in list(studio.heard.results) if str(each.get("message_id")).startswith("forged")]
    assert not any(each["attributes"] for each in told)


def test_what_comes_twice_is_told_once(studio: OneStudio, emulator: PubSubEmulator) -> None:
    letter = b'{"error": "not_found", "attributes": {}, "message_id": "twice", "image": "/nowhere"}'
    for data in (letter, letter, b"no record", b"[1]", letter.replace(b"twice", b"after")):
        emulator.publish(TOPICS.dead_letters, data)

    eventually(lambda: letters(studio, "message_id", "after"), "the last of them")

    assert len(letters(studio, "message_id", "twice")) == 1


def test_a_model_that_takes_over_is_a_swap(studio: OneStudio) -> None:
    before = studio.stream.state
    assert not [each for each in studio.heard.events if each["swap"] and each["model_name"] == "second"]

    studio.publish_model("second.onnx", 1)

    eventually(lambda: studio.stream.state.swaps > before.swaps, "the swap", PATIENCE_SECONDS)
    after = studio.stream.state
    assert after.swaps == before.swaps + 1
    assert after.live is not None
    assert after.live.name == "second"
    studio.ask("after the swap")
    studio.until_answered("after the swap")
    assert answer_to(studio, "after the swap")["model_id"] == after.live.model_id
    eventually(lambda: [each for each in studio.heard.events if each["swap"]], "the event of the swap")
    [swap] = [each for each in studio.heard.events if each["swap"]]
    assert (swap["event"], swap["model_id"]) == ("live", after.live.model_id)


def test_a_job_that_is_killed_comes_back_and_loses_no_question(studio: OneStudio) -> None:
    swaps = studio.stream.state.swaps
    [job] = jobs_of(os.getpid())
    helpers = job.children(recursive=True)
    before = [f"before{number}" for number in range(200)]

    studio.ask(*before)
    job.kill()
    eventually(lambda: studio.stream.state.word == "restarting", "the end of the job to be seen")
    assert [line for line in studio.wrong.told if "its process ended with signal 9" in line]
    studio.ask("meanwhile")

    studio.until_running()
    studio.until_answered(*before, "meanwhile")
    answered = studio.heard.drawings()
    assert len(answered) == len(set(answered))
    assert studio.stream.state.swaps == swaps
    eventually(lambda: "stream" not in studio.wrong.now, "the trouble to be over")
    eventually(lambda: not [each for each in helpers if each.is_running()], "its helpers to end")


def test_what_the_job_says_is_kept(studio: OneStudio) -> None:
    assert "model live: " in (studio.places.root / "stream.log").read_text()
