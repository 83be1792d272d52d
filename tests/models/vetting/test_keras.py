"""Vetting of what Keras is needed for. It costs seconds a child: all its files are vetted once, side by side."""

from __future__ import annotations

import contextlib
import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.artefacts import EngineChoice, Vetted
from models.engines.loading import load_engine
from models.errors import ModelFault, ModelRejected
from models.hosting.hosted_engine import Hosts
from models.images.decoding import Raster
from models.live import LiveModel
from models.registry.cache import ArtefactCache
from models.storage import LocalStorage
from models.vetting import Vetter
from models.vetting.file_checks import identify
from tests import model_files
from tests.models.rejections import rejection
from tests.own_process import run_module

GREY = Raster(np.full((8, 8, 3), 128, np.uint8))


@pytest.fixture(scope="session")
def keras_outcomes(keras_files: Path, shared_cache: ArtefactCache) -> dict[str, Vetted | ModelRejected]:
    names = ["huge.h5", "good.h5", "good.keras", "lambda.h5", "augmenting.h5"]
    vetter = Vetter(LocalStorage(), shared_cache, largest_batch=4)

    def outcome(name: str) -> Vetted | ModelRejected:
        try:
            return vetter.vet(str(keras_files / name))
        except ModelRejected as rejected:
            return rejected

    with ThreadPoolExecutor(2) as pool:
        outcomes = dict(zip(names, pool.map(outcome, names), strict=True))
    vetter.close()
    return outcomes


@pytest.mark.parametrize("name", ["good.h5", "good.keras", "augmenting.h5"])
def test_a_keras_model_is_accepted_and_answers(name: str, keras_outcomes: dict[str, Any]) -> None:
    vetted = keras_outcomes[name]
    assert isinstance(vetted, Vetted), vetted
    engine = load_engine(vetted.artefact, 1)
    (answers,) = LiveModel(vetted.reference, vetted.artefact.manifest, engine).predict([GREY, GREY])
    assert answers.shape == (2, 3)
    assert vetted.artefact.manifest.engine in ("openvino", "onnx")
    np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=1e-5)


def test_the_card_in_the_file_is_what_the_model_goes_by(keras_outcomes: dict[str, Any]) -> None:
    card = keras_outcomes["good.h5"].artefact.manifest.card
    assert (card.labels, card.version, card.name) == (("cat", "dog", "emu"), "7", "good")


def test_the_model_id_names_the_exact_bytes(keras_files: Path, keras_outcomes: dict[str, Any]) -> None:
    digest = hashlib.sha256((keras_files / "good.h5").read_bytes()).hexdigest()
    assert keras_outcomes["good.h5"].reference.model_id == f"{keras_files}/good.h5@sha256:{digest[:12]}"


def test_hostile_code_never_runs(
    keras_files: Path, keras_outcomes: dict[str, Any], tmp_path: Path, vetter: Vetter
) -> None:
    assert keras_outcomes["lambda.h5"].fault is ModelFault.UNSAFE_CODE
    assert not (keras_files / "lambda-has-run").exists()
    pickled = model_files.pickled(tmp_path / "m.h5", tmp_path / "pickle-has-run")
    assert rejection(lambda: identify(pickled)).fault is ModelFault.NOT_A_MODEL
    renamed = str(pickled.rename(tmp_path / "m.onnx"))
    assert rejection(lambda: vetter.vet(renamed)).fault is ModelFault.NOT_A_MODEL
    assert not (tmp_path / "pickle-has-run").exists()


def test_a_model_that_would_allocate_100_gigabytes_is_too_large(keras_outcomes: dict[str, Any]) -> None:
    assert keras_outcomes["huge.h5"].fault is ModelFault.TOO_LARGE


def test_a_rejection_names_the_bytes_it_is_about(keras_files: Path, keras_outcomes: dict[str, Any]) -> None:
    digest = hashlib.sha256((keras_files / "lambda.h5").read_bytes()).hexdigest()
    assert keras_outcomes["lambda.h5"].model_id == f"{keras_files}/lambda.h5@sha256:{digest[:12]}"


@pytest.mark.parametrize("choice", ["openvino", "onnx", "tensorflow"])
def test_each_engine_answers_in_a_process_of_its_own(
    choice: EngineChoice, keras_files: Path, shared_cache: ArtefactCache
) -> None:
    with contextlib.closing(Vetter(LocalStorage(), shared_cache, choice, largest_batch=4)) as vetter:
        artefact = vetter.vet(str(keras_files / "good.h5")).artefact
    assert artefact.manifest.engine == choice
    batch = np.random.default_rng(7).random((5, *artefact.manifest.input_shape), np.float32)
    with contextlib.closing(Hosts()) as hosts:
        (hosted,) = hosts.load(artefact, 1).predict(batch)
    (answered,) = load_engine(artefact, 1).predict(batch)
    np.testing.assert_allclose(hosted, answered, rtol=1e-5)


def test_a_model_of_more_layers_than_python_nests_calls_is_read(tmp_path: Path) -> None:
    assert run_module("tests.models.vetting.deep_models", tmp_path) == "(8, 8, 3)\n" * 2
