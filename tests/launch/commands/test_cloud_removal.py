"""What `hotswap remove` promises of models at gs://, on an emulator with Cloud Storage's preconditions."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.reference import sha256_of
from models.serving import Serving, ServingConfig
from models.storage.schemes import AnyStorage
from tests.launch.commands.hotswap_command import Command, error_line
from tests.launch.storage_server import BUCKET, StorageServer, storage_server
from tests.launch.tiny_models import tiny_onnx
from tests.waiting import eventually

FOLDER, REGISTRY = f"gs://{BUCKET}/models", f"gs://{BUCKET}/hotswap/registry"
OLD, LIVE = f"{FOLDER}/old.onnx", f"{FOLDER}/live.onnx"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StorageServer]:
    with storage_server() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.address)
        yield server


@pytest.fixture
def bucket(server: StorageServer, hotswap: Command) -> StorageServer:
    """`live` is live, `old` is older, both are signed by somebody."""
    for favours, name in enumerate(("old", "live")):
        server.put(f"models/{name}.onnx", tiny_onnx(Path(f"{name}.onnx"), favours=favours).read_bytes())
        server.put(f"models/{name}.onnx.sig", b"a signature")
        a_moment_later(time.time())
    return server


def a_moment_later(than: float) -> None:
    eventually(lambda: time.time() > than + 0.002, "the next has a later time, in milliseconds")


def models(server: StorageServer) -> list[str]:
    return [name for name in server.names() if name.startswith("models/")]


def test_a_model_goes_with_its_signature_and_the_live_one_is_refused(bucket: StorageServer, hotswap: Command) -> None:
    refused = hotswap("remove", LIVE)
    assert refused.code == 2
    assert f"it is the newest valid file of {FOLDER}/*.onnx" in error_line(refused)
    bucket.writes.clear()
    generations = [bucket.generation(f"models/old.onnx{end}") for end in (".sig", "")]
    outcome = hotswap("remove", OLD)
    assert outcome.code == 0, outcome.err
    assert outcome.last_line == f"removed {OLD}"
    assert models(bucket) == ["models/live.onnx", "models/live.onnx.sig"]
    assert [write["ifGenerationMatch"] for write in bucket.writes] == generations
    again = hotswap("remove", OLD)
    assert again.code == 2
    assert f"there is no file {OLD}" in error_line(again)


def test_a_registry_in_the_bucket_is_told(bucket: StorageServer, hotswap: Command) -> None:
    config = ServingConfig(f"{FOLDER}/*.onnx", 0.05, registry=REGISTRY)
    with contextlib.closing(Serving(config, AnyStorage())) as serving:
        eventually(lambda: serving.watch.statement, "one is live")
        eventually(lambda: serving.events.counts()["accepted"] == 2, "both are vetted")
    old, live = sha256_of(Path("old.onnx")), sha256_of(Path("live.onnx"))
    assert hotswap("remove", LIVE, "--registry", REGISTRY).code == 2
    outcome = hotswap("remove", OLD, "--registry", REGISTRY)
    assert outcome.code == 0, outcome.err
    assert f"remove compiled forms in {REGISTRY} (2 objects)" in outcome.out
    left = bucket.names()
    assert not [name for name in left if old in name or "old.onnx" in name]
    assert len([name for name in left if live in name]) == 2
    assert len([name for name in left if name.startswith("hotswap/registry/verdicts/")]) == 1
    assert len([name for name in left if name.startswith("hotswap/registry/live/")]) == 1


def test_a_signature_and_a_file_that_are_replaced_a_moment_before_stay(bucket: StorageServer, hotswap: Command) -> None:
    bucket.meanwhile = lambda: bucket.put("models/old.onnx.sig", b"another signature")
    outcome = hotswap("remove", OLD)
    assert outcome.code == 1
    assert f"{OLD}.sig changed meanwhile, and was left alone" in error_line(outcome)
    assert bucket.content("models/old.onnx.sig") == b"another signature"
    bucket.delete("models/old.onnx.sig")
    bucket.meanwhile = lambda: bucket.put("models/old.onnx", b"another model")
    outcome = hotswap("remove", OLD)
    assert outcome.code == 1
    assert f"{OLD} changed meanwhile, and was left alone" in error_line(outcome)
    assert bucket.content("models/old.onnx") == b"another model"


def test_a_bucket_that_does_not_answer_changes_nothing(
    bucket: StorageServer, hotswap: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    outcome = hotswap("remove", OLD, "--force")
    assert (outcome.code, outcome.out) == (1, "")
    assert "does not answer" in error_line(outcome)
    assert len(models(bucket)) == 4


def test_a_bucket_alone_is_no_model(server: StorageServer, hotswap: Command) -> None:
    outcome = hotswap("remove", f"gs://{BUCKET}")
    assert outcome.code == 2
    assert "gs://BUCKET/NAME is expected" in error_line(outcome)
