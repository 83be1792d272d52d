"""What a client reads in a response: the answer to one image, as results of the stream tell it, and its model."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.tasks import ClassScore, Detection, Detections, Labelled, Mask, Numbers, Ranked, Share
from serving.asking import CLASS_LABELS, MODEL_ID, MODEL_NAME, Refused
from serving.messages import tensor_protos

_PNG = struct.Struct(">8x4x4sII")
"""Of a PNG's beginning: the name of its first chunk, width and height."""


@dataclass(frozen=True, slots=True)
class Classified(Ranked):
    """An answer of a `classification` or a `binary`.

    Attributes:
        top: the classes that were asked for, best first; the model's choice is the first, one at least.
        model_id: names the exact bytes that answered.
        model_name: the model's own name, its card's or its file's.
    """

    model_id: str = field(kw_only=True)
    model_name: str = field(kw_only=True)

    @property
    def label(self) -> str:
        """Of the best class."""
        return self.top[0].label

    @property
    def class_index(self) -> int:
        """Of the best class."""
        return self.top[0].class_index

    @property
    def score(self) -> float:
        """The probability of the best class, 0 to 1."""
        return self.top[0].score


@dataclass(frozen=True, slots=True)
class MultiLabelled(Labelled):
    """An answer of a `multilabel`: `labels`, best first, at or above its threshold; and `model_id`, `model_name`."""

    model_id: str = field(kw_only=True)
    model_name: str = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class Segmented(Mask):
    """An answer of a `segmentation`: `height`, `width`, `png`, `shares`, see `Mask`; and `model_id`, `model_name`."""

    model_id: str = field(kw_only=True)
    model_name: str = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class Detected(Detections):
    """An answer of a `detection`: `detections`, best first; and `model_id`, `model_name`."""

    model_id: str = field(kw_only=True)
    model_name: str = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class Measured(Numbers):
    """An answer of a `regression` or a `raw`: `outputs`, numbers by name, row by row; and `model_id`, `model_name`."""

    model_id: str = field(kw_only=True)
    model_name: str = field(kw_only=True)


Predicted = Classified | MultiLabelled | Segmented | Detected | Measured
"""The answer to one image."""


class Unreadable(ValueError):  # noqa: N818 - named for what it says
    """A response that is none of this API, in one line."""


class Outputs:
    """The outputs of a response to one image.

    Args:
        outputs: `PredictResponse.outputs`.

    Raises:
        Unreadable: they lack the model's id or name.
    """

    def __init__(self, outputs: Any) -> None:
        self._outputs = outputs
        self._model = {name: self._texts(name, 1)[0] for name in (MODEL_ID, MODEL_NAME)}

    @property
    def _ranks_classes(self) -> bool:
        """Whether there is a score for each class, of which the best is told."""
        return self._has_labels() and self._shape("classes") == (1,)

    def predicted(self, top: int) -> Predicted:
        """What they say.

        Args:
            top: classes of a classification, 1 at least.

        Raises:
            Unreadable: they do not fit together.
        """
        try:
            return self._read(top)
        except (Refused, ValueError, IndexError, KeyError, struct.error) as error:
            raise Unreadable(f"outputs that do not fit together: {error}") from error

    def _read(self, top: int) -> Predicted:
        if self._ranks_classes:
            return Classified(self._ranked(top), **self._model)
        if not self._has_labels():
            names = sorted(name for name in self._outputs if name not in self._model)
            numbers = {name: tuple(self._row(name).reshape(-1).tolist()) for name in names}
            if not numbers:
                raise Unreadable("no outputs")
            return Measured(numbers, **self._model)
        found = [(int(index), label) for index, label in self._found()]
        if "boxes" in self._outputs:
            return Detected(self._detections(found), **self._model)
        if "mask_bytes" in self._outputs:
            return self._segmented(found)
        scores = self._row("scores")
        return MultiLabelled(
            tuple(ClassScore(label, index, float(scores[index])) for index, label in found), **self._model
        )

    def _has_labels(self) -> bool:
        return "labels" in self._outputs and self._outputs["labels"].dtype == tensor_protos.STRING

    def _ranked(self, top: int) -> tuple[ClassScore, ...]:
        scores = self._row("scores")
        labels = self._texts(CLASS_LABELS, scores.size)
        chosen = int(self._row("classes"))
        if scores.ndim != 1 or not 0 <= chosen < len(scores):
            raise Unreadable(f"scores of the shape {list(scores.shape)}, of which class {chosen} is the best")
        order = np.argsort(-scores, kind="stable")
        # Of two classes the threshold of its card may have the model choose the less likely one.
        best = [chosen, *(index for index in order[: top + 1].tolist() if index != chosen)][:top]
        return tuple(ClassScore(labels[index], index, float(scores[index])) for index in best)

    def _found(self) -> list[tuple[int, str]]:
        classes = self._row("classes").reshape(-1)
        labels = self._texts("labels", len(classes))
        return [(index, label) for index, label in zip(classes.tolist(), labels, strict=True) if index >= 0]

    def _detections(self, found: Sequence[tuple[int, str]]) -> tuple[Detection, ...]:
        scores, boxes = self._row("scores"), self._row("boxes")
        return tuple(
            Detection(ClassScore(label, index, float(score)), _box(box))
            for (index, label), score, box in zip(found, scores, boxes, strict=False)
        )

    def _segmented(self, found: Sequence[tuple[int, str]]) -> Segmented:
        shares = self._row("shares")
        png = bytes(self._outputs["mask_bytes"].string_val[0])
        chunk, width, height = _PNG.unpack_from(png)
        if chunk != b"IHDR":
            raise Unreadable("a mask that is no PNG")
        told = tuple(Share(label, index, float(share)) for (index, label), share in zip(found, shares, strict=False))
        return Segmented(height, width, png, told, **self._model)

    def _shape(self, name: str) -> tuple[int, ...]:
        return tensor_protos.shape_of(self._outputs[name])

    def _row(self, name: str) -> NDArray[Any]:
        values = tensor_protos.array_of(self._outputs[name], name)
        if values.ndim == 0 or len(values) != 1:
            raise Unreadable(f"{name} of the shape {list(values.shape)}, and one image was sent")
        row: NDArray[Any] = values[0]
        return row

    def _texts(self, name: str, count: int) -> Sequence[str]:
        if name not in self._outputs:
            raise Unreadable(f"no output {name!r}")
        held = tuple(text.decode(errors="replace") for text in self._outputs[name].string_val)
        if len(held) != count:
            raise Unreadable(f"{len(held)} texts in {name!r}, and {count} are expected")
        return held


def _box(box: NDArray[Any]) -> tuple[float, float, float, float]:
    x_min, y_min, x_max, y_max = (float(each) for each in box)
    return x_min, y_min, x_max, y_max
