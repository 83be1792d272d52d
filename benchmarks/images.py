"""Image files to measure with: JPEGs of three sizes made of real photographs, and handwritten digits."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from PIL import Image

_JPEG_QUALITY = 88
_GRAIN = 5.0
"""Standard deviation, in steps of 8 bits, of the grain that gives enlarged photographs a camera's file size."""


@dataclass(frozen=True, slots=True)
class ImageKind:
    """One kind of image.

    Attributes:
        name: as tables and files call it.
        width: in pixels.
        height: in pixels.
        distinct: how many different files are made; longer runs go through them again.
        model: the model that these images are classified with.
    """

    name: str
    width: int
    height: int
    distinct: int
    model: str


SMALL = ImageKind("500x375", 500, 375, 64, "mobilenet")
MEDIUM = ImageKind("1280x960", 1280, 960, 48, "mobilenet")
LARGE = ImageKind("4032x3024", 4032, 3024, 12, "mobilenet")
DIGITS = ImageKind("digits", 28, 28, 400, "digits")
KINDS = (SMALL, MEDIUM, LARGE, DIGITS)


def make_images(kind: ImageKind, folder: Path) -> list[str]:
    """The paths of the images of one kind, made below `folder` where they are not there yet.

    Each photograph is a crop of its own from one of scikit-learn's two sample photographs, brought to its size, with
    grain of its own; each is another file with other content, so no step can profit from seeing the same one again.
    """
    place = folder / kind.name
    suffix = "png" if kind is DIGITS else "jpg"
    paths = [place / f"{number:04d}.{suffix}" for number in range(kind.distinct)]
    if not all(path.is_file() for path in paths):
        place.mkdir(parents=True, exist_ok=True)
        if kind is DIGITS:
            _write_digits(paths)
        else:
            with ProcessPoolExecutor() as pool:
                list(pool.map(_write_photo, [kind] * len(paths), range(len(paths)), paths))
    return [str(path) for path in paths]


def in_turn(paths: list[str], count: int) -> list[str]:
    """`count` of these paths, from the first on and round again."""
    return list(islice(cycle(paths), count))


def _write_photo(kind: ImageKind, number: int, path: Path) -> None:
    from sklearn.datasets import load_sample_images

    random = np.random.default_rng([kind.width, number])
    photo = Image.fromarray(load_sample_images().images[number % 2])
    height = int(photo.height * random.uniform(0.6, 1.0))
    width = min(photo.width, height * kind.width // kind.height)
    left, top = (int(random.integers(0, rest + 1)) for rest in (photo.width - width, photo.height - height))
    photo = photo.crop((left, top, left + width, top + height)).resize((kind.width, kind.height))
    grain = random.normal(0, _GRAIN, (512, 512, 1))
    tiles = np.tile(grain, (-(-kind.height // 512), -(-kind.width // 512), 1))[: kind.height, : kind.width]
    pixels = np.clip(np.asarray(photo, np.float32) + tiles, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path, "JPEG", quality=_JPEG_QUALITY)


def _write_digits(paths: list[Path]) -> None:
    from studio.retraining.digits import load_digits

    _, held_out = load_digits()
    for path, pixels in zip(paths, held_out.pixels, strict=False):
        Image.fromarray(pixels).save(path, "PNG")
