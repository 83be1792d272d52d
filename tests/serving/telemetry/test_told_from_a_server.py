"""`hotswap serve` as a user runs it tells of each request, over gRPC and HTTP: in its access log and to a collector."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.messages.pool import message
from tests.model_files import tiny_classifier
from tests.sample_images import plain
from tests.serving.telemetry.calls import PREDICT
from tests.serving.telemetry.collector import Collector, attributes, listening
from tests.waiting import eventually

TOKEN = "0123456789abcdef0123456789abcdef"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
INFER = "inference.GRPCInferenceService/ModelInfer"
_ROOT = Path(__file__).parents[3]
_READY = re.compile(r"^ready: grpc=(\S+) http=(\S+) model=default$", re.M)


@dataclass
class Running:
    """A server that tells of requests.

    Attributes:
        grpc, http: where it listens.
        log: its access log.
        collector: of its traces.
        process: its.
    """

    grpc: str
    http: str
    log: Path
    collector: Collector
    process: subprocess.Popen[bytes]

    def call(self, method: str, request: bytes, token: str = TOKEN, **metadata: str) -> bytes:
        """The response to a call over gRPC."""
        headers = [("authorization", f"Bearer {token}"), *metadata.items()]
        with grpc.insecure_channel(self.grpc) as channel:
            return channel.unary_unary(f"/{method}", None, None)(request, metadata=tuple(headers), timeout=60)

    def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        """The status and the response of a request over HTTP."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(
            f"http://{self.http}{path}", json.dumps(body).encode(), {"authorization": f"Bearer {TOKEN}", **named}
        )
        try:
            with urllib.request.urlopen(request) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def await_line(self, request_id: str) -> dict[str, Any]:
        """The line of a request by its client's name for it."""

        def look() -> dict[str, Any] | None:
            return next((line for line in self.lines() if line.get("request_id") == request_id), None)

        found = eventually(look, f"the line of {request_id}")
        assert found is not None
        return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("server")
    said, log, tokens = folder / "said", folder / "access.jsonl", folder / "tokens"
    tokens.write_text(TOKEN)
    tiny_classifier(folder / "m.onnx")
    collector = Collector()
    options = ["--models", folder / "*.onnx", "--model-cache", folder / "cache", "--engine", "onnx"]
    options += ["--grpc-port", 0, "--http-port", 0, "--token-file", tokens, "--access-log", log]
    with listening(collector) as endpoint, said.open("wb") as errors:
        command = [sys.executable, "-m", "launch.cli", "serve", *map(str, options), "--trace-endpoint", endpoint]
        process = subprocess.Popen(command, cwd=_ROOT, stderr=errors)
        try:
            found = eventually(lambda: _READY.search(said.read_text()) or process.poll(), "the server", 120)
            assert isinstance(found, re.Match), said.read_text()
            yield Running(found[1], found[2], log, collector, process)
        finally:
            process.kill()
            process.wait()


def predict(*images: bytes, name: str = "") -> bytes:
    request = message("tensorflow.serving.PredictRequest")()
    request.model_spec.name = name
    request.inputs["images"].dtype = 7
    request.inputs["images"].tensor_shape.dim.add(size=len(images))
    request.inputs["images"].string_val.extend(images)
    serialized: bytes = request.SerializeToString()
    return serialized


def infer(request_id: str) -> bytes:
    request = message("inference.ModelInferRequest")(id=request_id)
    given = request.inputs.add(name="images", datatype="BYTES", shape=[1])
    given.contents.bytes_contents.append(plain())
    serialized: bytes = request.SerializeToString()
    return serialized


def test_a_prediction_over_grpc_has_its_line_and_its_spans(running: Running) -> None:
    body = predict(plain(), plain(9))
    parent = f"00-{TRACE}-{PARENT}-01"
    running.call(PREDICT, body, **{"x-request-id": "grpc-1", "traceparent": parent})

    line = running.await_line("grpc-1")
    assert (line["transport"], line["protocol"], line["method"], line["code"]) == ("grpc", "tensorflow", PREDICT, "OK")
    assert (line["client"], line["rows"], line["bytes"], line["trace_id"]) == ("127.0.0.1", 2, len(body), TRACE)
    assert 0 < line["decoding"] + line["waiting"] + line["computing"] <= line["seconds"]
    assert line["model_id"].partition("@sha256:")[0].endswith("m.onnx")

    spans = running.collector.await_spans(4, TRACE)
    root = spans.pop(PREDICT)
    assert root.parent_span_id.hex() == PARENT
    assert attributes(root)["hotswap.model_id"] == line["model_id"]
    assert {span.parent_span_id for span in spans.values()} == {root.span_id}
    for span in spans.values():
        assert root.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= root.end_time_unix_nano


def test_the_open_inference_protocols_own_id_names_a_request(running: Running) -> None:
    running.call(INFER, infer("oip-1"), **{"x-request-id": "another"})
    assert running.await_line("oip-1")["protocol"] == "open_inference"
    tensor = {"name": "images", "datatype": "BYTES", "shape": [1], "data": [b64encode(plain()).decode()]}
    status, _ = running.post("/v2/models/default/infer", {"id": "oip-2", "inputs": [tensor]})
    assert status == 200
    assert running.await_line("oip-2")["protocol"] == "open_inference_rest"


def test_a_prediction_over_http_has_its_line_and_its_spans(running: Running) -> None:
    instances = [{"images": {"b64": b64encode(plain()).decode()}}]
    status, _ = running.post("/v1/models/default:predict", {"instances": instances}, x_request_id="http-1")
    assert status == 200

    line = running.await_line("http-1")
    assert (line["transport"], line["protocol"], line["method"]) == ("http", "tensorflow_rest", "POST")
    assert (line["path"], line["status"], line["rows"]) == ("/v1/models/default:predict", 200, 1)
    assert line["bytes"] == len(json.dumps({"instances": instances}))
    spans = running.collector.await_spans(4, line["trace_id"])
    assert set(spans) == {"POST /v1/models/{name}:predict", "decode", "queue", "compute"}


def test_whatever_is_refused_says_why(running: Running) -> None:
    def refused(name: str, method: str, body: bytes, token: str = TOKEN) -> tuple[str, str]:
        with pytest.raises(grpc.RpcError):
            running.call(method, body, token, **{"x-request-id": name})
        line = running.await_line(name)
        return line["code"], line["error"]

    assert refused("bad-1", PREDICT, predict(b"no image")) == ("INVALID_ARGUMENT", "not_an_image")
    assert refused("bad-2", PREDICT, predict(), "f" * 32) == ("UNAUTHENTICATED", "unauthenticated")
    assert refused("bad-3", PREDICT + "s", b"") == ("UNIMPLEMENTED", "unimplemented")
    assert refused("bad-4", PREDICT, b"\xff" * 99) == ("INVALID_ARGUMENT", "invalid_argument")
    assert refused("bad-6", PREDICT, predict(plain(), name="other")) == ("NOT_FOUND", "not_found")
    assert "'other'" in running.await_line("bad-6")["detail"]
    status, _ = running.post(f"/v1/models/{'x' * 9000}:predict", {}, x_request_id="bad-5")
    line = running.await_line("bad-5")
    assert (status, line["status"], line["error"]) == (404, 404, "not_found")
    assert len(line["path"]) < 1000


def test_whatever_is_refused_is_counted_by_what_its_client_speaks(running: Running) -> None:
    def count(protocol: str) -> float:
        request = urllib.request.Request(f"http://{running.http}/metrics", headers={"authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(request) as response:
            series = dict(line.rsplit(" ", 1) for line in response.read().decode().splitlines())
        return float(series.get(f'hotswap_refused_total{{code="NOT_FOUND",protocol="{protocol}"}}', "0"))

    before = count("tensorflow"), count("tensorflow_rest")
    with pytest.raises(grpc.RpcError):
        running.call(PREDICT, predict(plain(), name="other"))
    running.post("/v1/models/other:predict", {})
    assert (count("tensorflow"), count("tensorflow_rest")) == (before[0] + 1, before[1] + 1)


def test_probes_and_readers_of_metrics_are_in_no_line_unless_they_fail(running: Running) -> None:
    with grpc.insecure_channel(running.grpc) as channel:
        asked = health_pb2.HealthCheckRequest(service="")
        assert health_pb2_grpc.HealthStub(channel).Check(asked).status == health_pb2.HealthCheckResponse.SERVING
    for path in ("/v2/health/live", "/v2/health/ready"):
        with urllib.request.urlopen(f"http://{running.http}{path}") as response:
            assert response.status == 200
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"http://{running.http}/metrics")
    failed = eventually(lambda: [line for line in running.lines() if line.get("path") == "/metrics"], "a line")
    assert [line["status"] for line in failed] == [401]
    assert not [line for line in running.lines() if "health" in line["method"] + line.get("path", "")]


def test_the_end_leaves_no_request_untold(running: Running) -> None:
    for number in range(50):
        running.call(PREDICT, predict(plain()), **{"x-request-id": f"last-{number}"})
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(60) == 0
    told = {line.get("request_id") for line in running.lines()}
    assert told >= {f"last-{number}" for number in range(50)}
    last = next(line for line in running.lines() if line.get("request_id") == "last-49")
    assert set(running.collector.spans(last["trace_id"])) == {PREDICT, "decode", "queue", "compute"}
