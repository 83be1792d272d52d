"""The engines that serve compiled models: each answers as the model itself does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.artefacts import EngineName
from models.engines import onnx_engine
from models.engines.loading import load_engine
from models.engines.onnx_engine import OnnxEngine
from models.engines.openvino_engine import OpenVinoEngine
from models.engines.tensorflow_engine import TensorFlowEngine
from models.registry.cache import ArtefactCache
from models.storage import LocalStorage
from models.vetting import Vetter
from tests.model_files import vetted_classifier
from tests.own_process import run_module


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("images", [1, 3, 4, 5, 32])
def test_a_batch_run_in_pieces_answers_as_its_images_do_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: int, threads: int
) -> None:
    monkeypatch.setattr(onnx_engine, "RUN_BYTES", 4 * 8 * 8 * 3 * 4)
    engine = load_engine(vetted_classifier(tmp_path, classes=5).artefact, threads)
    assert engine.largest_run == 4 * threads
    batch = np.random.default_rng(images).random((images, 8, 8, 3), np.float32)

    (together,) = engine.predict(batch)

    assert together.shape == (images, 5)
    np.testing.assert_allclose(together, np.concatenate([engine.predict(one[None])[0] for one in batch]), rtol=1e-5)


@pytest.fixture(scope="module")
def own_answers(keras_files: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Batches of several sizes, each with what the model answers in Keras, uncompiled, in a process of its own."""
    folder = tmp_path_factory.mktemp("own")
    random = np.random.default_rng(7)
    batches = {str(size): random.random((size, 8, 8, 3), np.float32) for size in (1, 2, 5, 33)}
    np.savez(folder / "batches.npz", allow_pickle=False, **batches)
    run_module("tests.models.engines.keras_answers", keras_files / "good.keras", folder)
    with np.load(folder / "answers.npz") as answers:
        return [(batch, answers[size]) for size, batch in batches.items()]


@pytest.mark.parametrize(
    ("name", "kind"), [("openvino", OpenVinoEngine), ("onnx", OnnxEngine), ("tensorflow", TensorFlowEngine)]
)
def test_an_engine_answers_each_batch_as_the_model_itself_does(
    name: EngineName,
    kind: type,
    keras_files: Path,
    own_answers: list[tuple[NDArray[Any], NDArray[Any]]],
    shared_cache: ArtefactCache,
) -> None:
    vetter = Vetter(LocalStorage(), shared_cache, choice=name)
    artefact = vetter.vet(str(keras_files / "good.keras")).artefact
    vetter.close()
    engine = load_engine(artefact, 1)
    assert type(engine) is kind
    for batch, answers in own_answers:
        (ours,) = engine.predict(batch)
        assert type(ours) is np.ndarray
        assert ours.dtype == answers.dtype
        np.testing.assert_allclose(ours, answers, rtol=1e-4, atol=1e-6)
        assert len(np.unique(ours, axis=0)) == len(batch)  # each image has an answer of its own: an order to be kept
