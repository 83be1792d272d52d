"""What `hotswap vet --registry` promises: whoever reads the file's folder need not vet it."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.artefacts import DEFAULT_ENGINE, EngineChoice
from models.serving import Serving, ServingConfig
from models.storage.schemes import AnyStorage
from tests.launch.commands.hotswap_command import Command, drop, error_line, model_id
from tests.launch.tiny_models import tiny_keras
from tests.waiting import eventually

REGISTRY = "registry"


@contextlib.contextmanager
def reader(pattern: str, cache: Path, engine: EngineChoice = DEFAULT_ENGINE) -> Iterator[Serving]:
    """Somebody on another machine who reads the folder."""
    config = ServingConfig(pattern, 0.05, engine, cache_folder=str(cache), registry=REGISTRY)
    with contextlib.closing(Serving(config, AnyStorage())) as serving:
        yield serving


def test_a_verdict_and_a_compiled_form_are_there_for_who_cannot_vet(
    hotswap: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop("m/a.onnx", age=60)
    told = hotswap("vet", "m/a.onnx", "--registry", REGISTRY)
    assert (told.code, told.err.splitlines()[-1]) == (0, "registry has it as accepted: its readers need not vet it")

    monkeypatch.setattr(sys, "executable", "/bin/false")  # no child begins
    with reader("m/*.onnx", tmp_path / "elsewhere") as serving:
        statement = eventually(lambda: serving.watch.statement, "the model is stated")
        assert statement is not None
        assert statement.reference.model_id == model_id("m/a.onnx")
        assert serving.vetter.obtain(statement.reference).artefact.manifest.engine == "onnx"


def test_a_keras_file_is_served_without_keras_once_it_was_vetted_elsewhere(
    hotswap: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop("m/a.onnx", age=60)
    tiny_keras(Path("m/k.h5"))
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "tensorflow", None)
        with reader("m/*", tmp_path / "elsewhere") as serving:
            statement = eventually(lambda: serving.watch.statement, "the other model is stated")
            assert statement is not None
            assert statement.reference.model_id == model_id("m/a.onnx")
            assert serving.events.counts()["rejected"] == 0
            assert "TensorFlow" in error_line(hotswap("vet", "m/k.h5"))

    assert hotswap("vet", "m/k.h5", "--registry", REGISTRY).code == 0

    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with reader("m/*", tmp_path / "elsewhere") as serving:
        wanted = model_id("m/k.h5")
        eventually(lambda: (now := serving.watch.statement) and now.reference.model_id == wanted, "k.h5 is stated")
        statement = serving.watch.statement
        assert statement is not None
        serving.live.follow(statement)
        assert serving.live.current().reference.model_id == wanted


def test_a_model_that_tensorflow_executes_is_told_where_there_is_none(
    hotswap: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_keras(Path("m/k.h5"))
    assert hotswap("vet", "m/k.h5", "--engine", "tensorflow", "--registry", REGISTRY).code == 0

    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with reader("m/*", tmp_path / "elsewhere", "tensorflow") as serving:
        statement = serving.watch.wait_for_statement()
        assert statement is not None
        serving.live.follow(statement)
        [failed] = eventually(
            lambda: [event for event in serving.events.drain() if event.event == "failed"], "it is told"
        )
    assert "compiled for TensorFlow, which is not installed here; publish it as .onnx" in failed.reason


def test_a_rejection_is_there_too_but_not_of_a_file_that_may_still_grow(hotswap: Command) -> None:
    drop("m/bad.onnx", finite=False, age=-3600)
    outcome = hotswap("vet", "m/bad.onnx", "--registry", REGISTRY)
    assert outcome.code == 1
    assert "keeps no verdict: m/bad.onnx was changed a moment ago" in outcome.err

    drop("m/bad.onnx", finite=False, age=60)
    outcome = hotswap("vet", "m/bad.onnx", "--registry", REGISTRY)
    assert outcome.err.splitlines()[-1].startswith("registry has it as rejected: non_finite_output")
    [known] = json.loads(hotswap("models", "m/*.onnx", "--registry", REGISTRY, "--json").out)
    assert (known["state"], known["reason"].partition(":")[0]) == ("rejected", "non_finite_output")


@pytest.mark.parametrize("name", ["absent.onnx", "a[1].onnx"])
def test_a_name_that_means_no_one_file_is_refused(name: str, hotswap: Command) -> None:
    drop("a[1].onnx")
    outcome = hotswap("vet", name, "--registry", REGISTRY)
    assert outcome.code == 2
    assert error_line(outcome).startswith(f"error: there is no file {name}")
