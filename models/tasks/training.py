"""What the loss that a model was trained with says of its outputs."""

from __future__ import annotations

from typing import Literal, NamedTuple

Aim = Literal["yes or no", "one of them", "numbers"]
"""Of each score: whether it is so; of a row: which one it is; or numbers of any meaning."""

_AIMS: dict[str, Aim] = {
    "binarycrossentropy": "yes or no",
    "binaryfocalcrossentropy": "yes or no",
    "categoricalcrossentropy": "one of them",
    "categoricalfocalcrossentropy": "one of them",
    "sparsecategoricalcrossentropy": "one of them",
    "huber": "numbers",
    "logcosh": "numbers",
    "mae": "numbers",
    "mape": "numbers",
    "meanabsoluteerror": "numbers",
    "meanabsolutepercentageerror": "numbers",
    "meansquarederror": "numbers",
    "meansquaredlogarithmicerror": "numbers",
    "mse": "numbers",
    "msle": "numbers",
}


class Loss(NamedTuple):
    """What a model was trained with.

    Attributes:
        name: as Keras calls it, `BinaryCrossentropy` or `binary_crossentropy`.
        aim: what it trains a model to answer.
    """

    name: str
    aim: Aim

    @classmethod
    def named(cls, name: str) -> Loss | None:
        """The loss of this name; None for one of which nothing is known."""
        aim = _AIMS.get(name.replace("_", "").lower())
        return cls(name, aim) if aim is not None else None

    def __str__(self) -> str:
        return f"it was trained with {self.name}"
