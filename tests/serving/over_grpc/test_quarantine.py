"""A model whose answers stop being numbers is taken out; the one before answers, the very requests that met it too."""

from __future__ import annotations

import http.client
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from models.artefacts import ONNX_FILE, Manifest, OutputSpec
from models.card import Card, InputSpec
from models.reference import ModelReference, sha256_of
from models.registry.cache import ArtefactCache
from serving.asking import version_of
from tests.end_to_end.telling_models import drop
from tests.sample_images import plain
from tests.serving.over_grpc.good_neighbour import good_neighbour
from tests.serving.over_grpc.speaking import (
    INFER,
    PREDICT,
    Speaker,
    images_request,
    infer_images_request,
    speaking,
    tensor_request,
    texts_of,
)
from tests.serving.running_server import RunningServer, running_server
from tests.serving.told_metrics import metric
from tests.treacherous_models import CLASSES, SIDE, TRIGGER, speechless
from tests.waiting import eventually

BLACK, BRIGHT = 0, 200


def land(root: Path, grey: int) -> ModelReference:
    """A model beside the others that has no number for an answer to images of one brightness, 0 to 255.

    No vetting has seen it: its compiled form is there before its file. So it gets by if that is its probe image's.
    """
    path = root / "models" / "speechless.onnx"
    hidden = speechless(path.with_name(".speechless.onnx"), grey)
    reference = ModelReference(str(path), sha256_of(hidden))
    cache = ArtefactCache(root / "cache")
    with cache.workspace() as workspace:
        built = workspace / "built"
        built.mkdir()
        shutil.copy(hidden, built / ONNX_FILE)
        card = Card("speechless", "", (), "classification", InputSpec(SIDE, SIDE, scale=1.0))
        outputs = (OutputSpec("scores", (CLASSES,)),)
        shape = SIDE, SIDE, 3
        manifest = Manifest(reference.sha256, "onnx", "", card, shape, "float32", outputs, 0.0, input_name="image")
        cache.store(built, manifest, "auto")
    hidden.rename(path)
    return reference


class Meeting:
    """A server, a connection to it, and the model that is live first.

    Attributes:
        good: its id; it labels whatever it sees `good`.
    """

    def __init__(self, root: Path, server: RunningServer, speaker: Speaker, good: str) -> None:
        self.server = server
        self.speaker = speaker
        self.good = good
        self._root = root

    def bring(self, grey: int) -> ModelReference:
        """Has a model of `land` be live."""
        reference = land(self._root, grey)
        bright = images_request([plain(BRIGHT)])
        eventually(lambda: by(self.speaker.ask(PREDICT, bright)) == {reference.model_id}, "the model to be live")
        return reference

    def await_good(self) -> None:
        """Waits until the first model answers again; until then requests are told which one failed."""

        def is_back() -> bool:
            call = self.speaker.asked(PREDICT, images_request([plain(BLACK)]))
            if call.exception() is None:
                return by(call.result()) == {self.good}
            assert f"{self.good} is about to take over; the model before, " in call.details()
            return False

        eventually(is_back, "the one before to answer")

    def quarantines(self) -> float:
        """How many there were."""
        return metric(self.server.http, "hotswap_model_events_total", event="quarantined")


@pytest.fixture
def meeting(tmp_path: Path) -> Iterator[Meeting]:
    with running_server(tmp_path, "--poll-seconds", "0.1") as server:
        good = drop(server.models, "good")
        with speaking(server.grpc) as speaker:
            yield Meeting(tmp_path, server, speaker, good)


def by(response: Any) -> set[str]:
    """Which models made an answer."""
    return set(texts_of(response, "model_id"))


@pytest.mark.parametrize("protocol", ["tensorflow", "open_inference"])
def test_the_one_before_answers_the_very_request_and_all_that_follow(meeting: Meeting, protocol: str) -> None:
    meeting.bring(BLACK)
    asked = [plain(BRIGHT), plain(BLACK)]
    if protocol == "tensorflow":
        response = meeting.speaker.ask(PREDICT, images_request(asked))
    else:
        response = meeting.speaker.ask(INFER, infer_images_request(asked))
    assert by(response) == {meeting.good}
    assert texts_of(response, "labels") == ["good", "good"]
    with good_neighbour(meeting.server.grpc, "good"):
        assert by(meeting.speaker.ask(PREDICT, images_request([plain(BRIGHT)]))) == {meeting.good}
    eventually(lambda: meeting.quarantines() == 1, "the quarantine to be told")


def test_a_request_for_that_version_is_told_that_it_failed_and_never_answered_by_another(meeting: Meeting) -> None:
    bad = meeting.bring(BLACK)
    version = version_of(bad)
    bright = meeting.speaker.ask(PREDICT, images_request([plain(BRIGHT)], version))
    assert by(bright) == {bad.model_id}
    code, detail = meeting.speaker.refusal(PREDICT, images_request([plain(BLACK)], version))
    assert code is grpc.StatusCode.UNAVAILABLE
    assert detail == f"{bad.model_id} failed on its own probe image"
    meeting.await_good()
    code, detail = meeting.speaker.refusal(PREDICT, images_request([plain(BRIGHT)], version))
    assert code is grpc.StatusCode.NOT_FOUND and meeting.good in detail


def test_over_http_it_is_the_same(meeting: Meeting) -> None:
    bad = meeting.bring(BLACK)
    connection = http.client.HTTPConnection(meeting.server.http, timeout=60)
    headers = {"Inference-Header-Content-Length": "0"}
    connection.request("POST", f"/v2/models/default/versions/{version_of(bad)}/infer", plain(BLACK), headers)
    refused = connection.getresponse()
    assert (refused.status, json.loads(refused.read())) == (
        503,
        {"error": f"{bad.model_id} failed on its own probe image"},
    )
    meeting.await_good()
    connection.request("POST", "/v2/models/default/infer", plain(BLACK), headers)
    answered = connection.getresponse()
    assert answered.status == 200
    assert meeting.good in answered.read().decode()


def test_one_image_alone_that_has_no_number_for_an_answer_fails_alone(meeting: Meeting) -> None:
    bad = meeting.bring(TRIGGER)
    for method, request in (
        (PREDICT, images_request([plain(BLACK), plain(TRIGGER)])),
        (INFER, infer_images_request([plain(BLACK), plain(TRIGGER)])),
    ):
        code, detail = meeting.speaker.refusal(method, request)
        assert code is grpc.StatusCode.INTERNAL
        assert detail.startswith("image 2 of 2: non_finite_output: ")
    assert by(meeting.speaker.ask(PREDICT, images_request([plain(BLACK)]))) == {bad.model_id}
    assert meeting.quarantines() == 0


def test_numbers_of_a_clients_own_that_come_to_none_take_no_model_out(meeting: Meeting) -> None:
    bad = meeting.bring(TRIGGER)
    nothing = np.full((1, SIDE, SIDE, 3), np.nan, np.float32)
    code, detail = meeting.speaker.refusal(PREDICT, tensor_request(nothing, "image"))
    assert code is grpc.StatusCode.INVALID_ARGUMENT and detail.startswith("non_finite_output: ")
    assert by(meeting.speaker.ask(PREDICT, images_request([plain(BLACK)]))) == {bad.model_id}


def test_where_no_other_is_left_each_request_is_told_which_model_failed_until_there_is_one(tmp_path: Path) -> None:
    with running_server(tmp_path, "--poll-seconds", "0.1") as server:
        only = land(tmp_path, BLACK)
        with speaking(server.grpc) as speaker:
            for image in (BLACK, BRIGHT):
                code, detail = speaker.refusal(PREDICT, images_request([plain(image)]))
                assert code is grpc.StatusCode.UNAVAILABLE
                assert f"{only.model_id}, failed on its own probe image: non_finite_output" in detail
            good = drop(server.models, "good")
            eventually(lambda: f"model live: {good}" in server.log(), "another model")
            assert by(speaker.ask(PREDICT, images_request([plain(BLACK)]))) == {good}
