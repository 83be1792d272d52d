"""Handwritten digits that come with scikit-learn, as the page's drawings are: white on black, 28x28.

Its copy of the UCI "Optical Recognition of Handwritten Digits" data set: 1,797 images of 8x8 pixels, by 43 writers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 28
CLASSES = 10
HELD_OUT = 600
SEED = 7


@dataclass(frozen=True, slots=True)
class Digits:
    """Pixels of shape (n, 28, 28), uint8, black on which white ink; labels 0..9 of shape (n,)."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, chosen: slice | NDArray[np.bool_] | NDArray[np.int64]) -> Digits:
        """Some of them."""
        return Digits(self.pixels[chosen], self.labels[chosen])


def load_digits() -> tuple[Digits, Digits]:
    """The training split and the held-out split, in a fixed random order."""
    from sklearn.datasets import load_digits as load

    images, labels = load(return_X_y=True)
    order = np.random.default_rng(SEED).permutation(len(labels))
    pixels = np.stack([_enlarged(images[i]) for i in order])
    labels = labels[order].astype(np.int64)
    return Digits(pixels[HELD_OUT:], labels[HELD_OUT:]), Digits(pixels[:HELD_OUT], labels[:HELD_OUT])


def no_digits() -> Digits:
    """None at all."""
    return Digits(np.empty((0, SIDE, SIDE), np.uint8), np.empty(0, np.int64))


def together(*some: Digits) -> Digits:
    """Several, one after the other."""
    return Digits(np.concatenate([each.pixels for each in some]), np.concatenate([each.labels for each in some]))


def _enlarged(flat: NDArray[np.float64]) -> NDArray[np.uint8]:
    small = Image.fromarray((flat.reshape(8, 8) * (255 / 16)).astype(np.uint8))
    return np.asarray(small.resize((SIDE, SIDE)))
