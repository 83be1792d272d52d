"""What a model says to one image, for each task: the fields that its result has."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


class ClassScore(NamedTuple):
    """One class and its probability."""

    label: str
    class_index: int
    score: float

    def to_json(self) -> dict[str, Any]:
        """As results tell it."""
        return {"label": self.label, "class_index": self.class_index, "score": self.score}


@dataclass(frozen=True, slots=True)
class Ranked:
    """The answer of a classification.

    Attributes:
        top: at most five classes, best first.
    """

    top: tuple[ClassScore, ...]

    def to_json(self) -> dict[str, Any]:
        """The fields of a result that tell the answer."""
        ranked = [each.to_json() for each in self.top]
        return ranked[0] | {"top": ranked}


@dataclass(frozen=True, slots=True)
class Labelled:
    """The answer of a model whose classes do not exclude each other.

    Attributes:
        labels: best first; none where no class reaches the threshold.
    """

    labels: tuple[ClassScore, ...]

    def to_json(self) -> dict[str, Any]:
        """The fields of a result that tell the answer."""
        return {"labels": [each.to_json() for each in self.labels]}


class Share(NamedTuple):
    """How much of an image belongs to a class, 0 to 1."""

    label: str
    class_index: int
    share: float


@dataclass(frozen=True, slots=True)
class Mask:
    """The class of each pixel.

    Attributes:
        height: rows.
        width: columns.
        png: a palette PNG of 8 bits, whose values are class indices; b"" where it lies elsewhere.
        uri: where it lies; "" where `png` is all there is.
        shares: of each class that there is, largest first.
    """

    height: int
    width: int
    png: bytes
    shares: tuple[Share, ...]
    uri: str = ""

    def to_json(self) -> dict[str, Any]:
        """The fields of a result that tell the answer."""
        image = {"uri": self.uri} if self.uri else {"png": base64.b64encode(self.png).decode("ascii")}
        return {
            "mask": {"height": self.height, "width": self.width} | image,
            "shares": [each._asdict() for each in self.shares],
        }


class Detection(NamedTuple):
    """One thing that was found.

    Attributes:
        found: what it is.
        box: (x_min, y_min, x_max, y_max) as shares of the original image, 0 to 1.
    """

    found: ClassScore
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Detections:
    """What was found in an image, best first."""

    detections: tuple[Detection, ...]

    def to_json(self) -> dict[str, Any]:
        """The fields of a result that tell the answer."""
        return {"detections": [each.found.to_json() | {"box": list(each.box)} for each in self.detections]}


@dataclass(frozen=True, slots=True)
class Numbers:
    """A model's numbers as they are.

    Attributes:
        outputs: by name; those of one output alone are told without it.
    """

    outputs: Mapping[str, tuple[float, ...]]

    def to_json(self) -> dict[str, Any]:
        """The fields of a result that tell the answer."""
        told = {name: list(values) for name, values in self.outputs.items()}
        return {"outputs": told} if len(told) > 1 else {"values": next(iter(told.values()))}


Prediction = Ranked | Labelled | Mask | Detections | Numbers
"""One answer."""
