"""From digits and corrections to the arrays that models learn from, stop by and are judged on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from studio.retraining.corrections import Corrected, digest_of
from studio.retraining.digits import Digits, load_digits, together


def split_digits(settings: Mapping[str, Any]) -> tuple[Digits, Digits, Digits]:
    """The digits of scikit-learn: to learn from, to stop by, and held out. The same each time.

    Args:
        settings: `validation_digits`, to stop by.
    """
    learnt, held_out = load_digits()
    validation = int(settings["validation_digits"])
    return learnt[validation:], learnt[:validation], held_out


def split_corrections(corrected: Corrected, settings: Mapping[str, Any]) -> tuple[Digits, Digits]:
    """Corrections to learn from, and those that no model of this project ever learns from.

    On which side a drawing lies says its line, or else follows from its pixels alone: it stays there whatever else
    comes, so that a model that is tuned again and again has never seen what it is judged on.

    Args:
        corrected: any number.
        settings: `unseen_share`, 0..1; of those whose lines do not say it, about this share is unseen.
    """
    line = int(float(settings["unseen_share"]) * (1 << 64))
    unseen = np.array(
        [
            int.from_bytes(digest_of(pixels)[:8], "big") < line if said is None else said
            for pixels, said in zip(corrected.images.pixels, corrected.unseen, strict=True)
        ],
        np.bool_,
    )
    return corrected.images[~unseen], corrected.images[unseen]


def assemble(
    digits: Digits, validation: Digits, test: Digits, seen: Digits, unseen: Digits, left_out: Mapping[str, int]
) -> tuple[Digits, dict[str, Any]]:
    """What a model learns from, and an account of all arrays.

    Returns:
        Digits and seen corrections; how many there are of each, what was left out by which word, and `data_version`,
        the SHA-256 of all arrays in hexadecimal.
    """
    parts = {"digits": digits, "validation": validation, "test": test, "seen": seen, "unseen": unseen}
    return together(digits, seen), {
        "data_version": _digest(parts),
        "images": {name: len(part) for name, part in parts.items()},
        "left_out": dict(left_out),
    }


def _digest(parts: Mapping[str, Digits]) -> str:
    digest = hashlib.sha256()
    for name, part in parts.items():
        for array in (part.pixels, part.labels):
            digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
