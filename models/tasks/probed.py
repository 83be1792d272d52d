"""What vetting knows of each output of a model when its task is read off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.card_fields import bad, shown

_LINEAR = {
    *(
        "Add",
        "AddV2",
        "BatchMatMul",
        "BatchMatMulV2",
        "BatchNormalization",
        "BiasAdd",
        "Conv",
        "Conv2D",
        "Conv2DBackpropInput",
    ),
    *("ConvTranspose", "Einsum", "FusedBatchNormV3", "Gemm", "LogSoftmax", "MatMul", "Sum"),
}
"""Operations whose numbers are no probabilities, whatever they were on a few images."""
_CLOSE = 1e-3


class ProbedOutput(NamedTuple):
    """One output, and what it was for the probe images.

    Attributes:
        name: as the model names it.
        values: shape (n, …), one answer a row.
        ending: the operation that makes it; None where that is not known.
    """

    name: str
    values: NDArray[Any]
    ending: str | None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the answer to one image."""
        return self.values.shape[1:]

    @property
    def sides(self) -> tuple[int, ...]:
        """The same without sides of 1, which exporters leave and take as they like."""
        return tuple(side for side in self.shape if side != 1)

    @property
    def is_float(self) -> bool:
        """Whether its numbers may be scores."""
        return self.values.dtype.kind == "f"

    @property
    def is_whole(self) -> bool:
        """Whether its numbers are integers."""
        return self.values.dtype.kind in "iu"

    @property
    def is_linear(self) -> bool:
        """Whether the operation that makes it gives numbers without bounds."""
        return self.ending in _LINEAR

    @property
    def lay_within(self) -> bool:
        """Whether all numbers were within 0..1."""
        return bool(self.values.min() >= 0 and self.values.max() <= 1)

    @property
    def are_shares(self) -> bool:
        """Whether all numbers were within 0..1, and no operation says that this was chance."""
        return self.lay_within and not self.is_linear

    def is_distribution(self, axis: int = -1) -> bool:
        """Whether the numbers along an axis are not negative and sum to 1."""
        values = self.values.astype(np.float64)
        sums = values.sum(axis=axis)
        return bool(values.min() >= 0 and np.abs(sums - 1).max() <= _CLOSE)

    def __str__(self) -> str:
        return f"{shown(self.name)} of shape {self.shape}"


def by_name(name: str, outputs: Sequence[ProbedOutput], field: str) -> ProbedOutput:
    """The output that a card's field names, or whose position it tells.

    Raises:
        ModelRejected: `bad_card`; there is none.
    """
    for output in outputs:
        if output.name in (name, f"{name}:0"):
            return output
    if name.isdecimal() and int(name[:9]) < len(outputs):
        return outputs[int(name[:9])]
    there = ", ".join(shown(output.name) for output in outputs[:12])
    raise bad(f"`{field}` is {shown(name)}, which is no output; there are {there}")


def told(outputs: Sequence[ProbedOutput]) -> str:
    """Outputs, for a person."""
    return ", ".join(map(str, outputs[:12])) + (", …" if len(outputs) > 12 else "")
