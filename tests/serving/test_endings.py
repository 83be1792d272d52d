"""How a server begins and ends: what it tells without a model, what it finishes, what it says if it cannot begin."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from PIL import Image

from serving.messages.pool import message
from tests.end_to_end.telling_models import drop
from tests.sample_images import encoded, small
from tests.serving.over_grpc.frames import Connection
from tests.serving.over_grpc.speaking import PREDICT, Speaker, images_request, speaking, texts_of
from tests.serving.running_server import RunningServer, running_server
from tests.serving.slow_models import slow_classifier
from tests.serving.told_metrics import metric
from tests.treacherous_models import SIDE, TRIGGER, endless, treacherous
from tests.waiting import eventually

GOOD = encoded(small(), "PNG")
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
READY = "/inference.GRPCInferenceService/ServerReady"
UNDER_WAY = 12
FINISH_SECONDS = 30.0
"""That a server waits for what it has taken in."""


@contextmanager
def without_a_model(tmp_path: Path) -> Iterator[tuple[RunningServer, Speaker]]:
    """A server that has none yet, and a connection to it."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    options = "--grpc-port", str(port), "--poll-seconds", "0.1"
    with running_server(tmp_path, *options) as server, speaking(f"127.0.0.1:{port}") as speaker:
        grpc.channel_ready_future(speaker.channel).result(60)
        yield server, speaker


def health(speaker: Speaker, name: str = "") -> int:
    stub: Any = health_pb2_grpc.HealthStub(speaker.channel)
    return int(stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=60).status)


def test_before_its_first_model_it_lives_and_is_not_ready(tmp_path: Path) -> None:
    with without_a_model(tmp_path) as (server, speaker):
        assert health(speaker) == health(speaker, "default") == NOT_SERVING
        assert not speaker.ask(READY, message("inference.ServerReadyRequest")()).ready
        code, detail = speaker.refusal(PREDICT, images_request([GOOD]))
        assert code is grpc.StatusCode.UNAVAILABLE and "no model is live yet" in detail
        drop(server.models, "first")
        eventually(lambda: health(speaker, "default") == SERVING, "a model")
        assert texts_of(speaker.ask(PREDICT, images_request([GOOD])), "labels") == ["first"]


def test_it_ends_in_order_before_its_first_model(tmp_path: Path) -> None:
    with without_a_model(tmp_path) as (server, _):
        assert server.finish() == 0


def test_asked_to_end_it_is_not_ready_any_more_and_answers_what_it_has_taken_in(tmp_path: Path) -> None:
    with running_server(tmp_path, "--drain-seconds", "1", "--max-batch-size", "1") as server:
        slow_classifier(server.models / "slow.onnx", 20_000)
        with speaking(server.grpc) as speaker:
            stub: Any = health_pb2_grpc.HealthStub(speaker.channel)
            watching = stub.Watch(health_pb2.HealthCheckRequest(service="default"))
            assert next(watching).status == SERVING
            calls = [speaker.asked(PREDICT, images_request([GOOD])) for _ in range(UNDER_WAY)]
            # Some may be answered already.
            taken = "hotswap_queue_images", "hotswap_images_total"
            eventually(lambda: sum(metric(server.http, each) for each in taken) >= UNDER_WAY, "all to be taken in")
            server.process.send_signal(signal.SIGTERM)
            assert next(watching).status == NOT_SERVING
            for call in calls:
                assert len(texts_of(call.result(), "labels")) == 1
            assert list(watching) == []  # it is ended, and does not hold the server up
        assert server.process.wait(60) == 0


def test_who_sends_nothing_or_reads_nothing_does_not_keep_it_from_its_end(tmp_path: Path) -> None:
    with running_server(tmp_path, "--drain-seconds", "0") as server, ExitStack() as opened:
        drop(server.models, "first")
        silent = opened.enter_context(closing(Connection(server.grpc)))
        deaf = opened.enter_context(closing(Connection(server.grpc, window=0)))
        for _ in range(8):
            silent.begin(PREDICT)
            deaf.send(deaf.begin("/grpc.health.v1.Health/Watch"), bytes(5))
            deaf.send(deaf.begin(READY), bytes(5))
        began = time.monotonic()
        assert server.finish() == 0
        assert time.monotonic() - began < FINISH_SECONDS
        assert "Traceback" not in server.log()


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_asked_twice_it_ends_at_once(tmp_path: Path, first: signal.Signals) -> None:
    with running_server(tmp_path, "--drain-seconds", "3600") as server:
        drop(server.models, "first")
        with speaking(server.grpc) as speaker:
            server.process.send_signal(first)
            eventually(lambda: health(speaker) == NOT_SERVING, "the end to begin")
            assert texts_of(speaker.ask(PREDICT, images_request([GOOD])), "labels") == ["first"]
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0


def test_asked_twice_it_waits_for_no_model(tmp_path: Path) -> None:
    poison = encoded(Image.fromarray(np.full((SIDE, SIDE, 3), TRIGGER, np.uint8)), "PNG")
    with running_server(tmp_path, "--drain-seconds", "3600") as server:
        treacherous(server.models / "treacherous.onnx", endless())
        with speaking(server.grpc) as speaker:
            hanging = speaker.asked(PREDICT, images_request([poison]))
            eventually(lambda: metric(server.http, "hotswap_queue_images") == 1, "the model to hang")
            for _ in range(2):
                server.process.send_signal(signal.SIGTERM)
                eventually(lambda: "ending: " in server.log(), "the end to begin")
            assert server.process.wait(60) == 0
            assert hanging.exception() is not None
            assert "model_timed_out" not in hanging.details()  # which it would have been told after a while


@pytest.mark.parametrize("which", ["--grpc-port", "--http-port"])
def test_a_port_in_use_is_told_in_a_line_and_nothing_is_left_behind(tmp_path: Path, which: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with running_server(tmp_path, which, str(port)) as server:
            own = psutil.Process(server.process.pid)
            children: set[psutil.Process] = set()
            while server.process.poll() is None:
                try:
                    children.update(own.children(recursive=True))
                except psutil.NoSuchProcess:
                    break
            assert server.process.wait(60) == 1
        [told] = server.log().splitlines()  # before it looks for a model
        assert told.startswith(f"error: 127.0.0.1:{port} cannot be listened at: Address already in use")
        eventually(lambda: not any(each.is_running() for each in children), "the end of its children")
