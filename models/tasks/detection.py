"""What is where in an image: boxes on the original image, each with its class and probability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.artefacts import Manifest, OutputSpec
from models.card import Card
from models.detection_card import AnchorSpec, DetectionSpec
from models.engines.engine import Outputs
from models.images.decoding import Raster
from models.tasks.anchors import Cells, anchors, cells_by_step, moved
from models.tasks.boxes import Boxes, as_corners, as_shares, centre_first, on_the_image
from models.tasks.prediction import ClassScore, Detection, Detections
from models.tasks.scores import finite, probabilities
from models.tasks.suppression import best_of_overlapping

_Named = dict[str, NDArray[np.float64]]
_SMALLEST = float(np.finfo(np.float32).tiny)
"""Models that give a fixed number of boxes fill up with scores of 0."""


class _Candidates(NamedTuple):
    """Boxes, and how probable each is of each class.

    Attributes:
        boxes: shape (n, 4), as shares of the model's input.
        classes: shape (k,), class indices.
        scores: shape (k, n).
    """

    boxes: Boxes
    classes: NDArray[np.int64]
    scores: NDArray[np.float64]


def detect(outputs: Outputs, manifest: Manifest, image: Raster) -> Detections:
    """What was found, best first.

    Raises:
        ImageError: `non_finite_output`.
    """
    card, spec = manifest.card, manifest.card.detection
    assert spec is not None, "vetting completes it"
    named = {each.name: finite(output) for each, output in zip(manifest.outputs, outputs, strict=True)}
    found = _from_rows(named, spec, card) if spec.boxes == spec.scores else _from_outputs(named, spec, manifest)
    least = max(card.threshold, _SMALLEST)
    worthwhile = found.scores.max(axis=0, initial=0.0) >= least
    found = _Candidates(found.boxes[worthwhile], found.classes, found.scores[:, worthwhile])
    classes, boxes = _chosen(found, spec, least)
    scores = found.scores[classes, boxes]
    best = np.argsort(-scores, kind="stable")[: spec.max_detections]
    told = zip(
        found.classes[classes[best]].tolist(),
        scores[best].tolist(),
        on_the_image(found.boxes[boxes[best]], card.input, image).tolist(),
        strict=True,
    )
    return Detections(
        tuple(
            Detection(ClassScore(_label(card, spec, index), index, score), (box[0], box[1], box[2], box[3]))
            for index, score, box in told
            if box[0] < box[2] and box[1] < box[3]
        )
    )


def cells_of(spec: DetectionSpec, anchor: AnchorSpec, outputs: Sequence[OutputSpec], side: tuple[int, int]) -> Cells:
    """The feature maps: as the outputs of boxes have them, else as many cells as cover the input's `side`s."""
    shapes = {each.name: each.shape for each in outputs}
    maps = [shapes[name] for name in spec.boxes]
    if len(maps) == len(anchor.steps) and all(len(shape) >= 3 for shape in maps):
        return tuple((shape[0], shape[1]) for shape in maps)
    return cells_by_step(anchor, *side)


def rows_of(output: NDArray[np.float64], final: bool, labels: int) -> NDArray[np.float64]:
    """A row for each box, of an output that tells everything and may have a column for each.

    Args:
        output: of one image; of its sides two are longer than 1.
        final: whether a row is a box, its score and its class.
        labels: how many there are; 0 where that is not known.
    """
    first, second = (side for side in output.shape if side != 1)
    widths = (6,) if final else (4 + labels, 5 + labels) if labels else (min(first, second),)
    standing = output.reshape(first, second)
    return standing.T if first in widths and second not in widths else standing


def _from_rows(named: _Named, spec: DetectionSpec, card: Card) -> _Candidates:
    rows = rows_of(named[spec.boxes[0]], bool(spec.classes), len(card.labels))
    boxes = as_shares(as_corners(rows[:, :4], spec.order), spec.units, card.input)
    if spec.classes:
        return _of_classes(boxes, rows[:, 4], rows[:, 5], spec)
    scores = probabilities(rows[:, 4:], card.activation)
    return _of_matrix(boxes, scores[:, 1:] * scores[:, :1] if spec.objectness else scores, spec)


def _from_outputs(named: _Named, spec: DetectionSpec, manifest: Manifest) -> _Candidates:
    card = manifest.card
    numbers = np.concatenate([named[name].reshape(-1, 4) for name in spec.boxes])
    if spec.anchors is None:
        boxes = as_shares(as_corners(numbers, spec.order), spec.units, card.input)
    else:
        side = (card.input.height, card.input.width)
        default = anchors(spec.anchors, cells_of(spec, spec.anchors, manifest.outputs, side), *side)
        boxes = as_corners(moved(default, centre_first(numbers, spec.order), spec.anchors.scaling), "cxcywh")
    columns = sum(named[name].size for name in spec.scores) // len(boxes)
    rows = np.concatenate([named[name].reshape(-1, columns) for name in spec.scores])
    scores = probabilities(rows, card.activation)
    meant = max(0, int(named[spec.count].reshape(-1)[0])) if spec.count else len(boxes)
    if spec.classes:
        classes = named[spec.classes].reshape(-1)
        return _of_classes(boxes[:meant], scores[:meant, 0], classes[:meant], spec)
    return _of_matrix(boxes[:meant], scores[:meant], spec)


def _of_matrix(boxes: Boxes, scores: NDArray[np.float64], spec: DetectionSpec) -> _Candidates:
    classes = np.arange(scores.shape[1])
    objects = classes != spec.background
    return _Candidates(boxes, classes[objects], scores.T[objects])


def _of_classes(
    boxes: Boxes, scores: NDArray[np.float64], classes: NDArray[np.float64], spec: DetectionSpec
) -> _Candidates:
    indices = np.rint(classes).astype(np.int64)
    there = np.unique(indices[(indices >= 0) & (indices != spec.background)])
    return _Candidates(boxes, there, np.where(indices == there[:, None], scores, -1.0))


def _chosen(found: _Candidates, spec: DetectionSpec, least: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The class and the box of each detection, as positions in the candidates."""
    if spec.iou_threshold is not None:
        return best_of_overlapping(found.boxes, found.scores, spec.iou_threshold, least, spec.max_detections)
    classes, boxes = np.nonzero(found.scores >= least)
    return classes, boxes


def _label(card: Card, spec: DetectionSpec, index: int) -> str:
    place = index - spec.first_label
    return card.labels[place] if 0 <= place < len(card.labels) else str(index)
