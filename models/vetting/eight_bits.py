"""How far apart two engines may answer for a model in 8 bits. Runs in the vetting child.

Each engine rounds to steps of 8 bits in its own way, and a step in one layer may be many in the last. How many depends
on the model: its own answers move as far where its pixels move by half a step. Two engines that compute rightly lie
within twice that; ones that overflow lie farther apart (docs/int8.md).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.engines.engine import Outputs, Predict
from models.vetting.probing import Tolerance, asked

_HALF_A_STEP = 1 / 510
_TRIALS = 3
_OPERATORS = ("QuantizeLinear", "DequantizeLinear", "ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul")

Room = list[NDArray[np.float64]]
"""How far each output may move, for each image: shape (n,)."""


def is_quantized(model: Any) -> bool:
    """Whether an `onnx.ModelProto` computes in 8 bits, at least in part."""
    return any(node.op_type in _OPERATORS for node in model.graph.node)


def room_around(answers: Outputs, run: Predict, batch: NDArray[Any]) -> Room:
    """How far an engine's answers to a batch may lie from the model's own.

    Args:
        answers: the model's own.
        run: what it answers with; asked for batches that differ by half a step.
        batch: as the model takes it; one of integers has no half steps, and leaves no room.
    """
    room = [np.zeros(len(batch)) for _ in answers]
    if batch.dtype.kind != "f":
        return room
    random = np.random.default_rng(11)
    for _ in range(_TRIALS):
        moved = batch + np.where(random.random(batch.shape) < 0.5, -_HALF_A_STEP, _HALF_A_STEP) * np.abs(batch).max()
        apart = _apart(asked(run, moved.astype(batch.dtype)), answers)
        room = [np.maximum(before, 2 * each.max(axis=1)) for before, each in zip(room, apart, strict=True)]
    return room


def lie_within(room: Room, ours: Outputs, theirs: Outputs, tolerance: Tolerance) -> bool:
    """Whether two answers to a batch, of one form, lie no farther apart than there is room, but for rounding."""
    for allowed, apart, their in zip(room, _apart(ours, theirs), theirs, strict=True):
        rounding = tolerance.absolute + tolerance.relative * np.abs(their.reshape(len(their), -1))
        if not (apart <= allowed[:, None] + rounding).all():
            return False
    return True


def _apart(ours: Outputs, theirs: Outputs) -> list[NDArray[np.float64]]:
    """How far apart two answers are, each output of shape (n, numbers)."""
    pairs = zip(ours, theirs, strict=True)
    return [np.abs(our.astype(np.float64) - their).reshape(len(our), -1) for our, their in pairs]
