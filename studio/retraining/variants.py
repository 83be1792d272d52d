"""More of few drawings: each once as it is, and then as the same hand might have drawn it again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.retraining.digits import SIDE, Digits, no_digits

_MIDDLE = (SIDE - 1) / 2
_BLUR = 0.7
_MOST_FRESH = 4096
# Of two numbers, so that no seed of a training, which is one, ever draws the same.
_FRESH_SEED = (7, 1)


def variants_of(drawings: Digits, settings: Mapping[str, Any]) -> Digits:
    """The drawings, then variants of each in turn: turned, scaled, slanted and moved a little, some thicker or softer.

    Args:
        drawings: at least one. Every one has as many variants as the others, or one more.
        settings: `seed`; `most_of_each` drawing, itself among them, and `most` of all, beyond which there are the
            drawings alone; and how far a variant is from its drawing at most: `turn` (degrees), `scale` and `slant`
            (shares), `shift` (pixels).

    Returns:
        At least the drawings. The same settings give the same, to the last bit.
    """
    count = max(len(drawings), min(len(drawings) * int(settings["most_of_each"]), int(settings["most"])))
    chance = np.random.default_rng(settings["seed"])
    chosen = np.arange(count) % len(drawings)
    pixels = drawings.pixels[chosen]
    for number in range(len(drawings), count):
        pixels[number] = _drawn_again(pixels[number], chance, settings)
    return Digits(pixels, drawings.labels[chosen])


def fresh_variants(drawings: Digits, gate: Mapping[str, Any], far: Mapping[str, Any]) -> Digits:
    """Variants of drawings without the drawings themselves, by a seed of their own: no training saw any of them.

    Args:
        drawings: any number.
        gate: `variants`, how many of each; fewer of each where there are very many drawings, and none where it is 0.
        far: how far a variant is from its drawing, as of `variants_of`.

    Returns:
        Shape (n, 28, 28). The same arguments give the same, to the last bit.
    """
    if not len(drawings) or not gate["variants"]:
        return no_digits()
    each = max(1, min(int(gate["variants"]), _MOST_FRESH // len(drawings)))
    count = len(drawings) * (1 + each)
    varied = variants_of(drawings, {**far, "seed": _FRESH_SEED, "most_of_each": 1 + each, "most": count})
    return varied[len(drawings) :]


def _drawn_again(
    pixels: NDArray[np.uint8], chance: np.random.Generator, settings: Mapping[str, Any]
) -> NDArray[np.uint8]:
    from scipy import ndimage

    turned, slanted = chance.uniform(-1, 1, 2) * (math.radians(settings["turn"]), settings["slant"])
    cos, sin = math.cos(turned), math.sin(turned)
    scaled = np.diag(1 / (1 + chance.uniform(-1, 1, 2) * settings["scale"]))
    matrix = np.array([[cos, -sin], [sin, cos]]) @ np.array([[1, 0], [slanted, 1]]) @ scaled
    moved = _MIDDLE - matrix @ np.full(2, _MIDDLE) + chance.uniform(-1, 1, 2) * settings["shift"]
    paper = float(np.median(pixels))
    again = ndimage.affine_transform(pixels.astype(np.float32), matrix, moved, order=1, cval=paper)
    pen = chance.integers(3)
    if pen == 1:
        again = ndimage.grey_dilation(again, (2, 2))
    elif pen == 2:
        again = ndimage.gaussian_filter(again, _BLUR)
    return np.asarray(np.rint(again), np.uint8)
