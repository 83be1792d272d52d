"""While models come and go, every request is answered, by one model, whose name is true."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2

from tests.serving.over_grpc.speaking import PREDICT, images_request, speaking
from tests.serving.over_grpc.trial import IMAGE, Shelf, await_answers_of, on_trial, statuses
from tests.serving.running_server import RunningServer, running_server
from tests.waiting import eventually

AVAILABLE, END = 30, 50


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with running_server(tmp_path, "--poll-seconds", "0.1") as server:
        yield server


def test_no_request_fails_and_no_answer_lies_while_models_change(server: RunningServer) -> None:
    shelf = Shelf(server.models)
    first = shelf.put("a.onnx", shelf.model())
    with on_trial(server, shelf) as trial, speaking(server.grpc) as speaker:
        await_answers_of(trial, first)
        second = shelf.put("b.onnx", shelf.model())
        await_answers_of(trial, second)
        overwritten = shelf.put("b.onnx", shelf.model())
        await_answers_of(trial, overwritten)

        corrupt = shelf.put("c.onnx", b"no model")
        truncated = shelf.put("d.onnx", shelf.model()[:300])
        eventually(lambda: {corrupt, truncated} <= statuses(speaker).keys(), "two rejections")
        await_answers_of(trial, overwritten)
        told = statuses(speaker)
        for digest in (corrupt, truncated):
            state, reason = told[digest]
            assert state == END and reason
        assert told[overwritten] == (AVAILABLE, "")
        eventually(lambda: statuses(speaker)[second] == (END, ""), "the end of the second model")

        shelf.path("b.onnx").unlink()
        await_answers_of(trial, first)
        third = shelf.put("e.onnx", shelf.model())
        await_answers_of(trial, third)
        os.utime(shelf.path("a.onnx"))
        await_answers_of(trial, first)
        assert statuses(speaker)[first] == (AVAILABLE, "")
    assert trial.wrong == []
    assert trial.health == [health_pb2.HealthCheckResponse.SERVING]


def test_a_version_that_was_live_is_not_found_and_never_answered_by_another(server: RunningServer) -> None:
    shelf = Shelf(server.models)
    first = shelf.put("a.onnx", shelf.model())
    with speaking(server.grpc) as speaker:
        second = shelf.put("b.onnx", shelf.model())
        eventually(lambda: statuses(speaker).get(second) == (AVAILABLE, ""), "the second model to be live")
        code, detail = speaker.refusal(PREDICT, images_request([IMAGE], int(first, 16)))
        assert code is grpc.StatusCode.NOT_FOUND and str(int(second, 16)) in detail
        answer = speaker.ask(PREDICT, images_request([IMAGE], int(second, 16)))
        assert answer.model_spec.version.value == int(second, 16)
