"""A model that dies, hangs or lies over an image costs that request its answer, and no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import psutil
import pytest
from PIL import Image

from tests.sample_images import encoded, small
from tests.serving.over_grpc.good_neighbour import good_neighbour
from tests.serving.over_grpc.speaking import (
    INFER,
    PREDICT,
    Speaker,
    images_request,
    infer_images_request,
    speaking,
    texts_of,
)
from tests.serving.running_server import RunningServer, running_server
from tests.serving.told_metrics import metric
from tests.treacherous_models import SIDE, TREACHERIES, TRIGGER, treacherous
from tests.waiting import eventually

POISON = encoded(Image.fromarray(np.full((SIDE, SIDE, 3), TRIGGER, np.uint8)), "PNG")
GOOD = encoded(small(), "PNG")
IMPATIENT = 60


def served(tmp_path: Path, treachery: str) -> Iterator[tuple[RunningServer, Speaker, str]]:
    """A server on a model of that kind, a connection to it, and the label of a good image."""
    with running_server(tmp_path) as server:
        treacherous(server.models / "treacherous.onnx", TREACHERIES[treachery]())
        with speaking(server.grpc) as speaker:
            [label] = texts_of(speaker.ask(PREDICT, images_request([GOOD])), "labels")
            yield server, speaker, label


@pytest.fixture
def crashing(tmp_path: Path) -> Iterator[tuple[RunningServer, Speaker, str]]:
    yield from served(tmp_path, "crashes")


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[tuple[RunningServer, Speaker, str]]:
    yield from served(tmp_path, "endless")


def test_a_model_that_dies_of_an_image_is_unavailable_for_it_alone(
    crashing: tuple[RunningServer, Speaker, str],
) -> None:
    server, speaker, label = crashing
    with good_neighbour(server.grpc, label) as neighbour:
        for method, request in ((PREDICT, images_request([GOOD, POISON])), (INFER, infer_images_request([POISON]))):
            code, detail = speaker.refusal(method, request)
            assert code is grpc.StatusCode.UNAVAILABLE
            assert "model_crashed: " in detail
            neighbour.await_more()


def test_a_model_that_answers_too_much_is_told_to_do_so(tmp_path: Path) -> None:
    for server, speaker, label in served(tmp_path, "wider_row"):
        with good_neighbour(server.grpc, label):
            code, detail = speaker.refusal(PREDICT, images_request([POISON]))
        assert code is grpc.StatusCode.INTERNAL and detail.startswith("wrong_answer_shape: ")


def test_a_request_whose_model_is_killed_is_asked_again(crashing: tuple[RunningServer, Speaker, str]) -> None:
    server, _, label = crashing
    killed: set[int] = set()
    with good_neighbour(server.grpc, label) as neighbour:
        for _ in range(3):
            hosts = [each for each in hosts_of(server) if each.pid not in killed]
            for host in hosts:
                killed.add(host.pid)
                host.kill()
            neighbour.await_more(20)
    assert len(killed) == 3


def hosts_of(server: RunningServer) -> list[psutil.Process]:
    """The processes that models answer in."""
    found = psutil.Process(server.process.pid).children(recursive=True)
    return [each for each in found if "models.hosting.host" in each.cmdline()]


def test_what_has_expired_or_was_cancelled_is_not_computed(hanging: tuple[RunningServer, Speaker, str]) -> None:
    server, speaker, _ = hanging

    def under_way() -> float:
        return metric(server.http, "hotswap_queue_images")

    def computed() -> float:
        return metric(server.http, "hotswap_batch_images_sum")

    def is_answered() -> bool:
        return speaker.asked(PREDICT, images_request([GOOD]), 0.5).exception() is None

    poisoned = []

    def all_hang() -> bool:
        """Whether whatever makes batches has one that hangs; else gives it another."""
        if is_answered() or is_answered():
            poisoned.append(speaker.asked(PREDICT, images_request([POISON])))
            return False
        return True

    eventually(all_hang, "the model to hang")
    eventually(lambda: under_way() == len(poisoned), "nothing else to be under way")
    before = computed()
    impatient = [speaker.asked(PREDICT, images_request([GOOD]), seconds=0.2) for _ in range(IMPATIENT)]
    fickle = [speaker.asked(PREDICT, images_request([GOOD])) for _ in range(IMPATIENT)]
    eventually(lambda: under_way() >= IMPATIENT // 2, "some of them to be under way")
    for call in fickle:
        call.cancel()
    assert {call.exception().code() for call in impatient} == {grpc.StatusCode.DEADLINE_EXCEEDED}
    eventually(lambda: under_way() == len(poisoned), "all others to be forgotten")
    for call in poisoned:
        assert call.exception().code() is grpc.StatusCode.UNAVAILABLE and "model_timed_out: " in call.details()
    speaker.ask(PREDICT, images_request([GOOD]))
    assert computed() == before + 1
