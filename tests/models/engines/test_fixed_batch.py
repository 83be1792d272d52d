"""Models that take a fixed number of images at once, as PyTorch exports them by default, answer any number of them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from models.artefacts import EngineName
from models.engines import onnx_engine, openvino_engine
from models.engines.loading import load_engine
from models.registry.cache import ArtefactCache
from models.storage import LocalStorage
from models.vetting import Vetter
from tests.model_files import tiny_classifier


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
@pytest.mark.parametrize("fixed", [1, 4])
def test_any_number_of_images_is_answered_as_by_a_model_that_takes_any(
    fixed: int, engine: EngineName, tmp_path: Path
) -> None:
    files = [tiny_classifier(tmp_path / f"{batch}.onnx", channels_first=True, batch=batch) for batch in (fixed, "n")]

    _answer_alike(files, engine, (3, 8, 8), tmp_path)


@pytest.mark.parametrize("engine", ["openvino", "onnx", "tensorflow"])
def test_so_is_it_by_a_model_of_keras(engine: EngineName, keras_files: Path, tmp_path: Path) -> None:
    _answer_alike([keras_files / "four_at_once.h5", keras_files / "good.h5"], engine, (8, 8, 3), tmp_path)


@pytest.mark.parametrize(("choice", "module"), [("openvino", openvino_engine), ("onnx", onnx_engine)])
def test_runs_side_by_side_are_of_whole_batches(
    choice: EngineName, module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RUN_BYTES", 10 * 8 * 8 * 3 * 4)
    with closing(Vetter(LocalStorage(), ArtefactCache(tmp_path / "cache"), choice, largest_batch=5)) as vetter:
        vetted = vetter.vet(str(tiny_classifier(tmp_path / "m.onnx", batch=4)))

    assert load_engine(vetted.artefact, 1).largest_run == 8


def _answer_alike(files: list[Path], engine: EngineName, shape: tuple[int, ...], tmp_path: Path) -> None:
    with closing(Vetter(LocalStorage(), ArtefactCache(tmp_path / "cache"), engine, largest_batch=5)) as vetter:
        artefacts = [vetter.vet(str(file)).artefact for file in files]
    engines = [load_engine(artefact, 2) for artefact in artefacts]

    assert {artefact.manifest.engine for artefact in artefacts} == {engine}
    for size in (1, 3, 4, 5, 9):
        images = np.random.default_rng(size).random((size, *shape), np.float32)
        (found,), (expected,) = (each.predict(images) for each in engines)
        assert found.shape == (size, 3)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
