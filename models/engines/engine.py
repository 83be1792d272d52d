"""What every engine can do."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray


class Engine(Protocol):
    """A loaded model. Threads may call `predict` side by side."""

    def predict(self, batch: NDArray[Any]) -> NDArray[Any]:
        """Runs the model once.

        Args:
            batch: shape (n, *input_shape) with the manifest's `input_shape` and `input_dtype`, n ≥ 1.

        Returns:
            Shape (n, …): one prediction a row.
        """
