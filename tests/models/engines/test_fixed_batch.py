"""Models that take a fixed number of images at once, as PyTorch exports them by default, answer any number of them."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from models.artefacts import EngineName
from models.engines import load_engine, onnx_engine, openvino_engine
from models.registry.cache import ArtefactCache
from models.storage import LocalStorage
from models.vetting import Vetter
from tests.model_files import tiny_classifier


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
@pytest.mark.parametrize("fixed", [1, 4])
def test_any_number_of_images_is_answered_as_by_a_model_that_takes_any(
    fixed: int, engine: EngineName, tmp_path: Path
) -> None:
    vetter = Vetter(LocalStorage(), ArtefactCache(tmp_path / "cache"), engine, largest_batch=5)
    try:
        paths = [
            tiny_classifier(tmp_path / f"{batch}.onnx", channels_first=True, batch=batch) for batch in (fixed, "n")
        ]
        engines = [load_engine(vetter.vet(str(path)).artefact, 2) for path in paths]
    finally:
        vetter.close()

    for size in (1, 3, 4, 5, 9):
        images = np.random.default_rng(size).random((size, 3, 8, 8), np.float32)
        (found,), (expected,) = (engine.predict(images) for engine in engines)
        assert found.shape == (size, 3)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(("choice", "module"), [("openvino", openvino_engine), ("onnx", onnx_engine)])
def test_runs_side_by_side_are_of_whole_batches(
    choice: EngineName, module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RUN_BYTES", 10 * 8 * 8 * 3 * 4)
    vetter = Vetter(LocalStorage(), ArtefactCache(tmp_path / "cache"), choice, largest_batch=5)
    try:
        vetted = vetter.vet(str(tiny_classifier(tmp_path / "m.onnx", batch=4)))
    finally:
        vetter.close()

    assert load_engine(vetted.artefact, 1).largest_run == 8
