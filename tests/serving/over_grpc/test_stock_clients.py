"""Clients of other makers, who know nothing of this project, are answered."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from serving.messages import PUBLISHED
from serving.messages.collect import collect
from tests.own_process import run_module
from tests.sample_images import encoded, small
from tests.serving.over_grpc.conftest import Served

ROOT = Path(__file__).parents[3]
CLIENTS = ROOT / ".venv.clients"
"""Made by `make .venv.clients/.ready`, of which `make test` takes care."""
SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("image") / "photo.jpg"
    path.write_bytes(encoded(small(), "JPEG"))
    return path


def test_tensorflow_servings_client(served: Served, image: Path) -> None:
    told = json.loads(run_module("tests.serving.over_grpc.tensorflow_client", served.address, image))
    assert told.pop("version") == served.version
    scores = np.array(told.pop("scores"))
    assert scores.shape == (2, 2) and (scores[:, 0] > 0.9).all()
    assert told == {
        "classes": [0, 0],
        "labels": [served.label] * 2,
        "model_id": [served.model_id] * 2,
        "of_tensor": [served.label],
        "of_one_number": [served.label],
        "inputs": {"images": "string", "image": "float32"},
        "outputs": {"scores": "float32", "classes": "int64", "labels": "string", "model_id": "string"},
        "status": [served.version, "AVAILABLE"],
        "another_version": "NOT_FOUND",
    }


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_tritons_client(served: Served, image: Path, protocol: str) -> None:
    told = run_client("triton.py", protocol, served.address if protocol == "grpc" else served.server.http, image)
    scores = np.array(told.pop("scores"))
    assert scores.shape == (2, 2) and (scores[:, 0] > 0.9).all()
    assert "NOT_FOUND" in told.pop("another_version").upper() or protocol == "http"
    assert told == {
        "live": True,
        "ready": True,
        "model_ready": True,
        "name": "hotswap",
        "versions": [str(served.version)],
        "inputs": {"images": "BYTES", "image": "FP32"},
        "outputs": {"scores": "FP32", "classes": "INT64", "labels": "BYTES", "model_id": "BYTES"},
        "id": "one",
        "labels": [served.label] * 2,
        "model_id": [served.model_id] * 2,
        "of_tensor": [served.label],
        "of_tensor_outputs": ["labels", "model_id"],
        "version": str(served.version),
    }


def run_client(name: str, *arguments: str | Path) -> dict[str, Any]:
    """What a script of `tests/serving/clients` prints, in the environment of other makers' clients."""
    command = [str(CLIENTS / "bin/python"), str(ROOT / "tests/serving/clients" / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("service", ["", "default", "tensorflow.serving.PredictionService"])
def test_grpcs_health_client(served: Served, service: str) -> None:
    stub: Any = health_pb2_grpc.HealthStub(served.speaker.channel)
    request = health_pb2.HealthCheckRequest(service=service)
    assert stub.Check(request, timeout=60).status == SERVING
    assert next(stub.Watch(request, timeout=60)).status == SERVING


def test_what_health_knows_nothing_of(served: Served) -> None:
    stub: Any = health_pb2_grpc.HealthStub(served.speaker.channel)
    request = health_pb2.HealthCheckRequest(service="another")
    with pytest.raises(grpc.RpcError) as refused:
        stub.Check(request, timeout=60)
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert next(stub.Watch(request, timeout=60)).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


def test_grpcs_reflection_client_finds_every_service_and_message(served: Served) -> None:
    found = ProtoReflectionDescriptorDatabase(served.speaker.channel)
    services = set(found.get_services())
    assert services == {
        "tensorflow.serving.PredictionService",
        "tensorflow.serving.ModelService",
        "inference.GRPCInferenceService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    pool = DescriptorPool(found)
    for service in services:
        assert all(method.output_type.full_name for method in pool.FindServiceByName(service).methods)


def test_the_messages_are_those_of_the_packages_that_publish_them() -> None:
    places = [next((ROOT / each).glob("lib/python3*/site-packages")) for each in (".venv", ".venv.clients")]
    assert collect(places).SerializeToString(deterministic=True) == PUBLISHED.read_bytes(), "make messages"
