"""What `hotswap models` and `hotswap rollback` promise of a registry: they read it, and vet nothing."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.serving import Serving, ServingConfig
from models.storage.schemes import AnyStorage
from models.vetting import Vetter
from tests.launch.commands.hotswap_command import Command, drop, error_line, model_id
from tests.waiting import eventually

PATTERN, REGISTRY = "m/*.onnx", "registry"


@contextlib.contextmanager
def fleet() -> Iterator[Serving]:
    """Somebody who watches the pattern."""
    with contextlib.closing(Serving(ServingConfig(PATTERN, 0.05, registry=REGISTRY), AnyStorage())) as serving:
        yield serving


def lives(serving: Serving, path: str) -> None:
    wanted = model_id(path)
    eventually(lambda: (now := serving.watch.statement) and now.reference.model_id == wanted, f"{path} is live")


@pytest.fixture
def known(hotswap: Command) -> Command:
    """Three models whose fleet has gone: `b` is live, `a` is older, `bad` is newer and no good."""
    drop("m/a.onnx", 0, age=300, name="Alpha", version="1")
    drop("m/b.onnx", 1, age=200)
    drop("m/bad.onnx", 2, finite=False, age=100)
    with fleet() as serving:
        lives(serving, "m/b.onnx")
        eventually(lambda: serving.events.counts()["accepted"] == 2, "a is vetted too")
    return hotswap


@pytest.fixture
def nobody_vets(known: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """From when on everything is known."""

    def refuse(self: Vetter, uri: str) -> None:
        raise AssertionError(f"{uri} is vetted")

    monkeypatch.setattr(Vetter, "vet", refuse)


def states(hotswap: Command) -> dict[str, str]:
    answer = json.loads(hotswap("models", PATTERN, "--registry", REGISTRY, "--json").out)
    return {Path(each["uri"]).name: each["state"] for each in answer}


@pytest.mark.usefixtures("nobody_vets")
def test_models_tells_what_the_fleet_knows(known: Command) -> None:
    Path("m/new.onnx").write_bytes(b"nobody has looked yet")
    answer = json.loads(known("models", PATTERN, "--registry", REGISTRY, "--json").out)
    told = {Path(each["uri"]).name: each for each in answer}
    assert {name: each["state"] for name, each in told.items()} == {
        "new.onnx": "undecided",
        "bad.onnx": "rejected",
        "b.onnx": "live",
        "a.onnx": "valid",
    }
    assert told["b.onnx"]["model_id"] == model_id("m/b.onnx")
    assert (told["a.onnx"]["model_name"], told["a.onnx"]["version"]) == ("Alpha", "1")
    assert told["b.onnx"]["engine"]
    assert told["bad.onnx"]["reason"].startswith("non_finite_output: ")
    assert told["new.onnx"]["reason"] == "not vetted yet"
    assert known("models", PATTERN, "--registry", REGISTRY).out.splitlines()[2].startswith("live\tm/b.onnx\t")


@pytest.mark.usefixtures("nobody_vets")
def test_the_live_model_is_told_although_its_file_is_gone(known: Command) -> None:
    gone = model_id("m/b.onnx")
    Path("m/b.onnx").unlink()
    first, *_ = json.loads(known("models", PATTERN, "--registry", REGISTRY, "--json").out)
    assert (first["state"], first["model_id"]) == ("live", gone)
    assert first["reason"].startswith("its file is gone")


def test_the_history_tells_what_was_live_when_by_whom_and_why(known: Command) -> None:
    drop("m/c.onnx", 2)
    with fleet() as serving:
        lives(serving, "m/c.onnx")
    Path("m/c.onnx").unlink()
    with fleet() as serving:
        lives(serving, "m/b.onnx")
    told = json.loads(known("models", PATTERN, "--registry", REGISTRY, "--history", "--json").out)
    assert [Path(each["model_id"].partition("@")[0]).name for each in told] == ["b.onnx", "c.onnx", "b.onnx"]
    assert [each["epoch"] for each in told] == [1, 2, 3]
    assert told[2]["why"] == "the newest valid file, now that m/c.onnx is gone"
    assert [each["until"] for each in told] == [told[1]["since"], told[2]["since"], None]
    assert all(each["by"] for each in told)
    lines = known("models", PATTERN, "--registry", REGISTRY, "--history").out.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["3", "2", "1"]


@pytest.mark.usefixtures("nobody_vets")
def test_rollback_tells_every_reader_at_once_and_says_who_did_it(known: Command) -> None:
    outcome = known("rollback", PATTERN, "--registry", REGISTRY)
    assert (outcome.code, outcome.out) == (0, f"{model_id('m/a.onnx')}\n")
    assert states(known) == {"bad.onnx": "rejected", "b.onnx": "valid", "a.onnx": "live"}
    last = json.loads(known("models", PATTERN, "--registry", REGISTRY, "--history", "--json").out)[-1]
    assert last["why"].startswith("rolled back by ")
    with fleet() as serving:
        lives(serving, "m/a.onnx")
        assert serving.watch.statement is not None
        assert serving.watch.statement.epoch == 2

    assert known("rollback", PATTERN, "--registry", REGISTRY, "--to", "b").code == 0
    assert states(known)["b.onnx"] == "live"


@pytest.mark.usefixtures("nobody_vets")
def test_there_is_nothing_to_go_back_to(known: Command) -> None:
    assert known("rollback", PATTERN, "--registry", REGISTRY, "--to", "bad").code == 2
    Path("m/a.onnx").unlink()
    outcome = known("rollback", PATTERN, "--registry", REGISTRY)
    assert outcome.code == 1
    assert "no earlier valid model" in error_line(outcome)


def test_a_history_needs_a_registry(known: Command) -> None:
    outcome = known("models", PATTERN, "--history")
    assert outcome.code == 2
    assert "--history goes with --registry" in error_line(outcome)
    empty = known("models", PATTERN, "--registry", "elsewhere", "--history")
    assert empty.code == 1
    assert "elsewhere knows of no model" in error_line(empty)


@pytest.mark.parametrize("address", ["s3://bucket/registry", "gs://bucket"])
def test_an_address_that_can_hold_no_registry_is_refused(known: Command, address: str) -> None:
    outcome = known("models", PATTERN, "--registry", address)
    assert outcome.code == 2
    assert address in error_line(outcome)


def test_verdicts_of_another_engine_are_told_too(hotswap: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    drop("m/a.onnx", 0, age=time.time() - 1e9)
    config = ServingConfig(PATTERN, 0.05, "onnx", registry=REGISTRY)
    with contextlib.closing(Serving(config, AnyStorage())) as serving:
        lives(serving, "m/a.onnx")
    monkeypatch.setattr(Vetter, "vet", None)
    assert states(hotswap) == {"a.onnx": "live"}
