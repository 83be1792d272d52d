"""What a model's numbers mean: the answer to one image, for each task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from models.artefacts import Manifest
from models.card import Task
from models.engines.engine import Outputs
from models.images.decoding import Raster
from models.tasks.classification import choose, classify, decide
from models.tasks.detection import detect
from models.tasks.numbers import tell
from models.tasks.prediction import (
    ClassScore,
    Detection,
    Detections,
    Labelled,
    Mask,
    Numbers,
    Prediction,
    Ranked,
    Share,
)
from models.tasks.segmentation import segment

__all__ = [
    "ClassScore",
    "Detection",
    "Detections",
    "Labelled",
    "Mask",
    "Numbers",
    "Prediction",
    "Ranked",
    "Share",
    "answer_of",
    "interpret",
]


def interpret(outputs: Outputs, manifest: Manifest, image: Raster) -> Prediction:
    """What a model's answer to one image means.

    Args:
        outputs: a row of each of its outputs.
        manifest: its card says the task and the labels.
        image: what it answered to.

    Raises:
        ImageError: `non_finite_output` or `prediction_failed`; the answer is none.
    """
    return _MEANINGS[manifest.card.task](outputs, manifest, image)


def answer_of(outputs: Outputs, manifest: Manifest) -> NDArray[Any]:
    """The output that tells the answer of a task which one output tells; its row of one image."""
    name = manifest.card.output
    if not name:
        return outputs[0]
    return next(output for spec, output in zip(manifest.outputs, outputs, strict=True) if spec.name == name)


_MEANINGS: dict[Task, Callable[[Outputs, Manifest, Raster], Prediction]] = {
    "classification": lambda outputs, manifest, image: classify(answer_of(outputs, manifest), manifest.card),
    "binary": lambda outputs, manifest, image: decide(answer_of(outputs, manifest), manifest.card),
    "multilabel": lambda outputs, manifest, image: choose(answer_of(outputs, manifest), manifest.card),
    "segmentation": lambda outputs, manifest, image: segment(answer_of(outputs, manifest), manifest.card, image),
    "detection": detect,
    "regression": lambda outputs, manifest, image: tell(outputs, manifest),
    "raw": lambda outputs, manifest, image: tell(outputs, manifest),
}
