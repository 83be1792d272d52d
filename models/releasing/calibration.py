"""The images that a model is quantized with: read, decoded and prepared as the job would, and kept in a file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.artefacts import Manifest
from models.errors import ImageError, ReleaseError, one_line
from models.images.decoding import DecodeLimits, Raster, decode_image
from models.images.model_input import model_input
from models.storage import LocalStorage
from models.storage.errors import StorageUnavailable

FEWEST = 8
MOST = 300
"""Images: more change the ranges of activations little, and take long."""
_MOST_BYTES = 512 << 20
"""Of the images as the model takes them; of large ones there are fewer."""

Track = Callable[[Sequence[Path]], Iterable[Path]]
"""Goes through files in their order, and may tell how far it is."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Images as a model takes them.

    Attributes:
        path: of the `.npy` that holds them, shape (n, *input_shape), the manifest's `input_dtype`.
        images: how many.
        skipped: files that could not be read as images.
    """

    path: Path
    images: int
    skipped: int

    def batch(self) -> NDArray[Any]:
        """All of them, on disk."""
        return np.load(self.path, mmap_mode="r")


def image_files(folder: Path, most: int = MOST) -> list[Path]:
    """At most so many of the files in a local folder and below it, evenly chosen by name; hidden ones are left out.

    Raises:
        ReleaseError: there is no such folder, or no file in it.
    """
    if not folder.is_dir():
        raise ReleaseError(f"there is no folder {folder} of images to calibrate with")
    names = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    found = sorted(name for name in names if not any(part.startswith(".") for part in name.parts))
    if not found:
        raise ReleaseError(f"there is no image in {folder} to calibrate with")
    every = np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int)
    return [folder / found[index] for index in every]


def images_digest(folder: Path) -> str:
    """What tells the images of one folder from those of another, wherever it lies.

    Returns:
        SHA-256 in hexadecimal digits over the names and contents of `image_files`.

    Raises:
        ReleaseError: as of `image_files`.
        OSError: one of them cannot be read.
    """
    told = hashlib.sha256()
    for path in image_files(folder):
        told.update(os.fsencode(path.relative_to(folder)) + b"\0")
        with path.open("rb") as file:
            told.update(hashlib.file_digest(file, "sha256").digest())
    return told.hexdigest()


def calibrate(folder: Path, manifest: Manifest, path: Path, track: Track = iter) -> Calibration:
    """Writes the images of a local folder as a model takes them; what is no image is skipped.

    Args:
        folder: of images, in it and below it.
        manifest: of the model.
        path: of the `.npy` to write.
        track: goes through the files.

    Raises:
        ReleaseError: fewer than eight different images can be read.
        OSError: the file cannot be written.
    """
    row = np.dtype(manifest.input_dtype).itemsize * int(np.prod(manifest.input_shape))
    files = image_files(folder, max(FEWEST, min(MOST, _MOST_BYTES // row)))
    batch = np.empty((len(files), *manifest.input_shape), manifest.input_dtype)
    good, trouble, different = 0, "", set()
    for file in track(files):
        try:
            batch[good] = model_input([_read(file, manifest)], manifest)[0]
            different.add(hashlib.sha256(batch[good]).digest())
            good += 1
        except (ImageError, FileNotFoundError, StorageUnavailable) as error:
            trouble = trouble or f"; {file.name}: {one_line(error)}"
    if len(different) < FEWEST:
        found = f"{good} of {len(files)} files in {folder} are images, {len(different)} of them different"
        raise ReleaseError(f"{found}, and {FEWEST} are needed{trouble}")
    np.save(path, batch[:good])
    return Calibration(path, good, len(files) - good)


def _read(file: Path, manifest: Manifest) -> Raster:
    limits, spec = DecodeLimits(), manifest.card.input
    with closing(LocalStorage().open(str(file))) as source:
        data = source.read(min(file.stat().st_size, limits.max_bytes) + 1)
    return decode_image(data, limits=limits, needed=(spec.height, spec.width))
