"""How often a quantized model answers as the one that it was made of."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.artefacts import Artefact, Manifest
from models.card import Task
from models.compute_threads import cores
from models.engines.engine import Engine, Outputs
from models.errors import ImageError, ModelFailed, ModelFault, ModelRejected
from models.hosting.hosted_engine import Hosts
from models.images.decoding import Raster
from models.tasks import Detections, Labelled, Mask, Prediction, Ranked, interpret

TOLERATED = 0.05
"""Of the pixels of a mask, and of the range that an output of plain numbers has over all images."""
_AT_ONCE = 8
"""Images, whose answers are in memory twice."""
_SAME: dict[Task, str] = {
    "classification": "the same first class",
    "binary": "the same class",
    "multilabel": "the same labels",
    "segmentation": f"classes whose shares differ by at most {TOLERATED:.0%}",
    "detection": "as many things of each class",
    "regression": f"numbers within {TOLERATED:.0%} of their range",
    "raw": f"numbers within {TOLERATED:.0%} of their range",
}


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two models answer the same images.

    Attributes:
        images: how many.
        share: of the images that get the same answer.
        difference: the largest between any two numbers that the models answer; infinite where one is not finite.
        task: says what counts as the same answer.
        time: that the second model took, as a share of what the first took.
    """

    images: int
    share: float
    difference: float
    task: Task
    time: float

    def __str__(self) -> str:
        return (
            f"{self.share:.1%} of {self.images} images get {_SAME[self.task]}, "
            f"the largest difference of a number is {self.difference:.2g}"
        )


def agreement(original: Artefact, quantized: Artefact, images: NDArray[Any]) -> Agreement:
    """How two models answer the same images, each by the engine that serves it.

    Args:
        original: a vetted model; its card says what answers mean.
        quantized: another that takes the same images.
        images: as both take them, shape (n, …).

    Raises:
        ModelRejected: `crashed`; one of them does not answer.
        OSError: this machine cannot start a process.
    """
    try:
        with contextlib.closing(Hosts()) as hosts:
            one, other = (hosts.load(each, cores()) for each in (original, quantized))
            return _agreement(one, other, original.manifest, images)
    except ModelFailed as failure:
        raise ModelRejected(ModelFault.CRASHED, f"it fails while the two are compared: {failure}") from failure


def _agreement(one: Engine, other: Engine, manifest: Manifest, images: NDArray[Any]) -> Agreement:
    apart, low, high, same = [], [], [], []
    seconds = [0.0, 0.0]
    for engine in (one, other):
        engine.predict(np.ascontiguousarray(images[:_AT_ONCE]))  # the first time takes longer
    for start in range(0, len(images), _AT_ONCE):
        some = np.ascontiguousarray(images[start : start + _AT_ONCE])
        began = time.perf_counter()
        ours = one.predict(some)
        halfway = time.perf_counter()
        theirs = other.predict(some)
        seconds = [seconds[0] + halfway - began, seconds[1] + time.perf_counter() - halfway]
        apart.append(_differences(ours, theirs))
        low.append([output.min() for output in ours])
        high.append([output.max() for output in ours])
        rows = zip(zip(*ours, strict=True), zip(*theirs, strict=True), strict=True)
        same += [_tell_the_same(our, their, manifest) for our, their in rows]
    differences = np.concatenate(apart)
    if manifest.card.task in ("regression", "raw"):
        ranges = np.max(high, axis=0).astype(np.float64) - np.min(low, axis=0)
        same = list((differences <= TOLERATED * ranges).all(axis=1))
    share, largest = float(np.mean(same)), float(differences.max())
    return Agreement(len(images), share, largest, manifest.card.task, seconds[1] / seconds[0])


def _differences(ours: Outputs, theirs: Outputs) -> NDArray[Any]:
    """The largest for each image and output, shape (n, outputs)."""
    apart = [np.abs(our.astype(np.float64) - their) for our, their in zip(ours, theirs, strict=True)]
    return np.nan_to_num(np.stack([each.reshape(len(each), -1).max(axis=1) for each in apart], axis=1), nan=np.inf)


def _tell_the_same(ours: Outputs, theirs: Outputs, manifest: Manifest) -> bool:
    """Whether two answers to one image mean the same, so far as their task tells it."""
    spec = manifest.card.input
    image = Raster(np.zeros((spec.height, spec.width, 3), np.uint8))
    try:
        return _same(*(interpret(rows, manifest, image) for rows in (ours, theirs)))
    except ImageError:  # one of them is no answer
        return False


def _same(ours: Prediction, theirs: Prediction) -> bool:
    match ours, theirs:
        case Ranked(), Ranked():
            return ours.top[0].class_index == theirs.top[0].class_index
        case Labelled(), Labelled():
            return {each.class_index for each in ours.labels} == {each.class_index for each in theirs.labels}
        case Mask(), Mask():
            one, other = ({each.class_index: each.share for each in mask.shares} for mask in (ours, theirs))
            moved = sum(abs(one.get(index, 0) - other.get(index, 0)) for index in one.keys() | other.keys()) / 2
            return moved <= TOLERATED
        case Detections(), Detections():
            things, others = (Counter(each.found.class_index for each in some.detections) for some in (ours, theirs))
            return things == others
    return True
