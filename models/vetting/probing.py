"""Fixed images, and what a candidate answers to them. Runs in the vetting child."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.artefacts import Manifest
from models.engines.engine import Outputs, Predict
from models.errors import ModelFault, ModelRejected, VettingTooCostly, one_line
from models.images.decoding import Raster
from models.images.model_input import model_input
from models.vetting.candidate import is_out_of_memory

ABSOLUTE_TOLERANCE = 1e-4
RELATIVE_TOLERANCE = 1e-3
"""How far compiled outputs may lie from the model's own: |a - b| <= 1e-4 + 1e-3 |b|, on the probe images."""


def probe_batch(manifest: Manifest, size: int) -> NDArray[Any]:
    """`size` fixed images, as the model takes them: black, white, a gradient, then noise, always the same."""
    spec = manifest.card.input
    noise = np.random.default_rng(20_240_229).integers(0, 256, (size, spec.height, spec.width, 3), np.uint8)
    gradient = np.linspace(0, 255, spec.width, dtype=np.uint8)[None, :, None]
    for image, fixed in zip(noise, (0, 255, gradient), strict=False):
        image[...] = fixed
    return model_input([Raster(pixels) for pixels in noise], manifest)


def probe(answer: Predict, manifest: Manifest, batch_sizes: tuple[int, ...]) -> Outputs:
    """The outputs for the largest batch, once they have proved finite, stable in shape and repeatable.

    Raises:
        ModelRejected: `wrong_input`, `wrong_output`, `non_finite_output` or `unstable_output`.
        VettingTooCostly: see `asked`.
    """
    outputs: Outputs = ()
    shapes: set[tuple[tuple[int, ...], ...]] = set()
    for size in batch_sizes:
        batch = probe_batch(manifest, size)
        outputs = asked(answer, batch)
        for output in outputs:
            _require_numbers(output, size)
        shapes.add(tuple(output.shape[1:] for output in outputs))
        if len(shapes) > 1:
            raise ModelRejected(
                ModelFault.WRONG_OUTPUT, f"its output shape depends on the batch: {sorted(shapes)}; it must not"
            )
    if not agree(asked(answer, batch), outputs):
        raise ModelRejected(
            ModelFault.UNSTABLE_OUTPUT, "answers the same images differently the second time; take its randomness out"
        )
    return outputs


def asked(answer: Predict, batch: NDArray[Any]) -> Outputs:
    """What is answered to a batch.

    Raises:
        ModelRejected: `wrong_input`.
        VettingTooCostly: the memory allowed is too little.
    """
    try:
        outputs = answer(batch)
    except Exception as error:  # whatever a layer raises, the model cannot answer
        if is_out_of_memory(error):
            raise VettingTooCostly(f"a batch of {len(batch)} took more than it may") from error
        raise ModelRejected(
            ModelFault.WRONG_INPUT, f"cannot answer a plain image: {one_line(error)}; say in its card what it takes"
        ) from error
    return as_numbers(outputs)


def as_numbers(outputs: Outputs) -> Outputs:
    """NumPy by itself knows neither bfloat16 nor the 8-bit floats."""
    return tuple(output.astype(np.float32) if output.dtype.kind == "V" else output for output in outputs)


def agree(ours: Outputs, theirs: Outputs) -> bool:
    """Whether two answers are the same, but for rounding."""
    return len(ours) == len(theirs) and all(
        our.shape == their.shape and np.allclose(our, their, RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE)
        for our, their in zip(ours, theirs, strict=True)
    )


def difference(ours: Outputs, theirs: Outputs) -> float:
    """The largest between two answers; infinite where they have not the same form."""
    if [our.shape for our in ours] != [their.shape for their in theirs]:
        return math.inf
    pairs = zip(ours, theirs, strict=True)
    return max(float(np.abs(our.astype(np.float64) - their.astype(np.float64)).max()) for our, their in pairs)


def _require_numbers(output: NDArray[Any], images: int) -> None:
    if output.ndim == 0 or output.shape[0] != images or output.size == 0:
        raise ModelRejected(
            ModelFault.WRONG_OUTPUT,
            f"answers {images} images with an output of shape {output.shape}; each image needs a row of its own",
        )
    if output.dtype.kind not in "fiub":
        raise ModelRejected(ModelFault.WRONG_OUTPUT, f"its outputs are {output.dtype}; numbers are expected")
    if not np.isfinite(output).all():
        raise ModelRejected(
            ModelFault.NON_FINITE_OUTPUT,
            "its outputs for plain images are not finite; look for NaN weights or a wrong scaling",
        )
