"""More requests than there is capacity for: those that are accepted are answered, the others refused at once."""

from __future__ import annotations

import statistics
import threading
import time
from pathlib import Path

import grpc

from tests.sample_images import encoded, small
from tests.serving.memory import memory_within
from tests.serving.over_grpc.speaking import PREDICT, images_request, speaking, texts_of
from tests.serving.running_server import running_server
from tests.serving.slow_models import slow_classifier
from tests.serving.told_metrics import metric

ROOM = 16
CLIENTS = 64
SECONDS = 4.0
DEADLINE = 60.0
ROUNDS = 30_000
"""Of a loop in the model, whatever the batch: some hundredths of a second."""


def test_a_flood_is_answered_as_far_as_there_is_room_and_else_refused_at_once(tmp_path: Path) -> None:
    answered: list[float] = []
    refused: list[float] = []
    wrong: list[str] = []
    queues: list[float] = []
    request = images_request([encoded(small(), "PNG")])
    ending = threading.Event()
    with running_server(tmp_path, "--queue-images", str(ROOM), "--max-batch-size", "4") as server:
        slow_classifier(server.models / "slow.onnx", ROUNDS)
        address = server.grpc

        def ask_on() -> None:
            with speaking(address) as speaker:
                while not ending.is_set():
                    began = time.monotonic()
                    try:
                        if len(texts_of(speaker.ask(PREDICT, request, DEADLINE), "labels")) != 1:
                            wrong.append("an answer of no label")
                        answered.append(time.monotonic() - began)
                    except grpc.RpcError as error:
                        if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                            wrong.append(str(error))
                        refused.append(time.monotonic() - began)

        clients = [threading.Thread(target=ask_on) for _ in range(CLIENTS)]
        with memory_within(server.process.pid, 128 << 20):
            for client in clients:
                client.start()
            until = time.monotonic() + SECONDS
            while time.monotonic() < until:
                queues.append(metric(server.http, "hotswap_queue_images"))
            ending.set()
            for client in clients:
                client.join()
    assert not wrong, wrong[:3]
    assert len(answered) >= ROOM and len(refused) > len(answered)
    assert max(queues) <= ROOM
    assert statistics.median(refused) < statistics.median(answered)
