"""What every engine can do."""

from __future__ import annotations

import sys
from typing import Any, Protocol

from numpy.typing import NDArray

WHOLE_BATCH = sys.maxsize


class Engine(Protocol):
    """A loaded model. Threads may call `predict` side by side.

    Attributes:
        largest_run: images that it computes at once, over all threads; a larger batch takes turns.
    """

    largest_run: int

    def predict(self, batch: NDArray[Any]) -> NDArray[Any]:
        """Runs the model once.

        Args:
            batch: shape (n, *input_shape) with the manifest's `input_shape` and `input_dtype`, n ≥ 1.

        Returns:
            Shape (n, …): one prediction a row.
        """
