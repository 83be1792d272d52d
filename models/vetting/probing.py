"""Fixed images, and what a candidate answers to them. Runs in the vetting child."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.artefacts import Manifest
from models.engines.engine import Outputs, Predict
from models.errors import ModelFault, ModelRejected, VettingTooCostly, one_line
from models.images.decoding import Raster
from models.images.model_input import model_input
from models.memory import is_out_of_memory


class Tolerance(NamedTuple):
    """How far an engine's outputs b may lie from the model's own a: |a - b| <= absolute + relative |b|."""

    absolute: float
    relative: float


FULL = Tolerance(1e-4, 1e-3)
HALF = Tolerance(5e-3, 1e-2)
"""Of a model that computes in 16 bits, as an engine that computes in 32 lies from it."""
_NUDGE = 1e-6
_COLOURS = 8
"""In a row and in a column."""


def probe_batch(manifest: Manifest, size: int) -> NDArray[Any]:
    """`size` fixed images, as the model takes them, always the same.

    Black, white, a gradient, then by turns noise and a few colours that run into each other: to noise, which no
    photograph is, a model may answer anything.
    """
    spec = manifest.card.input
    random = np.random.default_rng(20_240_229)
    noise = random.integers(0, 256, (size, spec.height, spec.width, 3), np.uint8)
    gradient = np.linspace(0, 255, spec.width, dtype=np.uint8)[None, :, None]
    for image, fixed in zip(noise, (0, 255, gradient), strict=False):
        image[...] = fixed
    images = list(noise)
    images[4::2] = random.integers(0, 256, (len(images[4::2]), _COLOURS, _COLOURS, 3), np.uint8)
    return model_input([Raster(pixels) for pixels in images], manifest)


@dataclass(frozen=True, slots=True)
class Probed:
    """What a candidate answers to fixed images.

    Attributes:
        batches: as the model takes them, of the sizes in use, ascending.
        answers: to each batch, before the model is compiled.
    """

    batches: list[NDArray[Any]]
    answers: list[Outputs]

    @property
    def outputs(self) -> Outputs:
        """The answers to the largest batch."""
        return self.answers[-1]


def probe(answer: Predict, manifest: Manifest, batch_sizes: tuple[int, ...]) -> Probed:
    """What is answered, once it has proved finite, stable in shape and repeatable.

    Raises:
        ModelRejected: `wrong_input`, `wrong_output`, `non_finite_output` or `unstable_output`.
        VettingTooCostly: see `asked`.
    """
    batches = [probe_batch(manifest, size) for size in batch_sizes]
    answers: list[Outputs] = []
    shapes: set[tuple[tuple[int, ...], ...]] = set()
    for batch in batches:
        outputs = asked(answer, batch)
        answers.append(outputs)
        for output in outputs:
            _require_numbers(output, len(batch))
        shapes.add(tuple(output.shape[1:] for output in outputs))
        if len(shapes) > 1:
            raise ModelRejected(
                ModelFault.WRONG_OUTPUT, f"its output shape depends on the batch: {sorted(shapes)}; it must not"
            )
    if not agree(asked(answer, batches[0]), answers[0]):
        raise ModelRejected(
            ModelFault.UNSTABLE_OUTPUT, "answers the same image differently the second time; take its randomness out"
        )
    return Probed(batches, answers)


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
        raise ModelRejected(ModelFault.WRONG_INPUT, _cannot(len(batch), one_line(error))) from error
    return as_numbers(outputs)


def _cannot(images: int, error: str) -> str:
    if images == 1:
        return f"cannot answer a plain image: {error}; say in its card what it takes"
    return (
        f"answers fewer plain images, but not {images} at once: {error}; "
        "let it take any number of them, or a fixed one by its input's shape"
    )


def as_numbers(outputs: Outputs) -> Outputs:
    """NumPy by itself knows neither bfloat16 nor the 8-bit floats."""
    return tuple(output.astype(np.float32) if output.dtype.kind == "V" else output for output in outputs)


def agree(ours: Outputs, theirs: Outputs, tolerance: Tolerance = FULL) -> bool:
    """Whether two answers to a batch are the same, but for rounding."""
    return have_one_form(ours, theirs) and bool(alike(ours, theirs, tolerance).all())


def have_one_form(ours: Outputs, theirs: Outputs) -> bool:
    """Whether two answers to a batch are as many arrays of the same shapes."""
    return [our.shape for our in ours] == [their.shape for their in theirs]


def alike(ours: Outputs, theirs: Outputs, tolerance: Tolerance = FULL) -> NDArray[np.bool_]:
    """Which images of a batch have the same answer, but for rounding, in two that have one form; shape (n,)."""
    same = np.ones(len(ours[0]), np.bool_)
    for our, their in zip(ours, theirs, strict=True):
        close = np.isclose(our, their, tolerance.relative, tolerance.absolute)
        same &= close.reshape(len(close), -1).all(axis=1)
    return same


def nudged(batch: NDArray[Any], trial: int) -> NDArray[Any]:
    """A batch that differs from this by as little as rounding may make of it, in a model of many layers.

    Args:
        batch: shape (n, …).
        trial: another number nudges it another way, the next twice as far.
    """
    if batch.dtype.kind != "f":
        return batch
    signs = np.where(np.random.default_rng([7, trial]).random(batch.shape) < 0.5, -_NUDGE, _NUDGE) * 2.0**trial
    return (batch + signs * np.abs(batch).max()).astype(batch.dtype)


def difference(ours: Outputs, theirs: Outputs) -> float:
    """The largest between two answers; infinite where they have not the same form."""
    if not have_one_form(ours, theirs):
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
