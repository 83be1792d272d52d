from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.engines import load_engine, onnx_engine
from tests.model_files import vetted_classifier


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("images", [1, 3, 4, 5, 32])
def test_a_batch_run_in_pieces_answers_as_its_images_do_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: int, threads: int
) -> None:
    monkeypatch.setattr(onnx_engine, "_RUN_BYTES", 4 * 8 * 8 * 3 * 4)
    engine = load_engine(vetted_classifier(tmp_path, classes=5).artefact, threads)
    assert engine.largest_run == 4 * threads
    batch = np.random.default_rng(images).random((images, 8, 8, 3), np.float32)

    together = engine.predict(batch)

    assert together.shape == (images, 5)
    np.testing.assert_allclose(together, np.concatenate([engine.predict(one[None]) for one in batch]), rtol=1e-5)
