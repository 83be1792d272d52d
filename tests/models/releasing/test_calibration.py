"""Which images of a folder a model is quantized with, and how they are prepared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.artefacts import Manifest, OutputSpec
from models.card import Card, InputSpec
from models.releasing import calibration
from models.releasing.calibration import calibrate, image_files

SPEC = InputSpec(4, 4, scale=1 / 127.5, mean=(1.0,), color="BGR")
MANIFEST = Manifest(
    "0" * 64, "onnx", "", Card("", "", (), "raw", SPEC), (4, 4, 3), "float32", (OutputSpec("scores", (3,)),), 0.0
)


def grey(folder: Path, number: int) -> Path:
    path = folder / f"{number:03d}.png"
    Image.new("RGB", (6, 6), (number, 0, 255)).save(path)
    return path


def test_images_are_prepared_as_the_card_says(tmp_path: Path) -> None:
    for number in range(9):
        grey(tmp_path, number)
    made = calibrate(tmp_path, MANIFEST, tmp_path / "made.npy")
    assert (made.images, made.skipped) == (9, 0)
    batch = made.batch()
    assert batch.shape == (9, 4, 4, 3)
    assert batch.dtype == np.float32
    np.testing.assert_allclose(batch[5, 0, 0], [1.0, -1.0, 5 / 127.5 - 1], atol=1e-6)


def test_of_many_images_some_are_chosen_evenly_by_name(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    made = [grey(tmp_path / "sub" if number >= 50 else tmp_path, number) for number in range(100)]
    chosen = image_files(tmp_path, most=34)
    assert chosen == made[::3]
    assert image_files(tmp_path) == made


def test_of_large_images_fewer_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "_MOST_BYTES", 10 * 4 * 4 * 3 * 4)
    for number in range(30):
        grey(tmp_path, number)
    read: list[Path] = []

    def track(files: Sequence[Path]) -> Sequence[Path]:
        read.extend(files)
        return files

    made = calibrate(tmp_path, MANIFEST, tmp_path / "made.npy", track)
    assert made.images == len(read) == 10


def test_hidden_files_and_what_lies_in_hidden_folders_are_left_out(tmp_path: Path) -> None:
    (tmp_path / ".trash").mkdir()
    grey(tmp_path / ".trash", 1)
    grey(tmp_path, 2).rename(tmp_path / ".2.png")
    seen = grey(tmp_path, 3)
    assert image_files(tmp_path) == [seen]
