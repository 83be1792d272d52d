"""Requests whose clients go away before they are answered are told of as such."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from serving.access import Access
from serving.messages.pool import message
from serving.over_grpc.endpoint import Endpoint
from serving.over_http.application import application
from serving.over_http.observed import Observed
from serving.telemetry.observing import Observer, Observing
from tests.model_files import tiny_classifier
from tests.sample_images import plain
from tests.serving.running_core import RunningCore, running_core
from tests.serving.telemetry.calls import PREDICT


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[RunningCore]:
    """With a live model and all the time in the world to wait for others."""
    with running_core(tmp_path / "models", tmp_path / "cache", batch_wait=300) as waiting:
        waiting.await_live(tiny_classifier(waiting.models / "m.onnx"))
        yield waiting


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def observer(core: RunningCore, log: Path) -> Observer:
    observer = Observing(str(log)).begin(core.core.metrics.lost)
    assert observer is not None
    return observer


async def under_way(core: RunningCore, images: int) -> None:
    async with asyncio.timeout(60):
        while core.core.under_way != images:
            await asyncio.sleep(0.01)


def told(log: Path) -> dict[str, Any]:
    [line] = log.read_text().splitlines()
    line = json.loads(line)
    return {name: line.get(name) for name in ("code", "status", "error", "rows", "model_id")}


def test_a_call_over_grpc_that_is_cancelled(waiting: RunningCore, log: Path) -> None:
    request = message("tensorflow.serving.PredictRequest")()
    request.inputs["images"].dtype = 7
    request.inputs["images"].tensor_shape.dim.add(size=1)
    request.inputs["images"].string_val.append(plain())

    async def leave() -> None:
        telling = observer(waiting, log)
        endpoint = Endpoint(waiting.core, Access(), 0, 1 << 20, 8, telling)
        await endpoint.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{endpoint.port}") as channel:
            call = channel.unary_unary(f"/{PREDICT}", None, None)(request.SerializeToString())
            await under_way(waiting, 1)
            call.cancel()
            await under_way(waiting, 0)
        await endpoint.stop(0)
        telling.close()

    waiting.run(leave())
    assert told(log) == {"code": "CANCELLED", "status": None, "error": "cancelled", "rows": 1, "model_id": None}
    assert waiting.metric('hotswap_abandoned_total{protocol="tensorflow"}') == 1


def test_a_request_over_http_whose_connection_ends(waiting: RunningCore, log: Path) -> None:
    body = json.dumps({"instances": [{"b64": b64encode(plain()).decode()}]}).encode()
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": body}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await under_way(waiting, 1)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        raise AssertionError(f"nobody is there to be sent {message}")

    async def leave() -> None:
        telling = observer(waiting, log)
        scope = {
            "type": "http", "method": "POST", "path": "/v1/models/default:predict", "headers": [],
            "query_string": b"", "client": ("10.0.0.7", 50_000),
        }  # fmt: skip
        await Observed(application(waiting.core, Access()), telling)(scope, receive, send)
        telling.close()

    waiting.run(leave())
    assert told(log) == {"code": None, "status": 499, "error": "cancelled", "rows": 1, "model_id": None}
    assert waiting.metric('hotswap_abandoned_total{protocol="tensorflow_rest"}') == 1
