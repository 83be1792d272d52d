"""Which of a model's outputs are boxes, scores, classes and their number, by their names and shapes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from models.card import InputSpec
from models.detection_card import AnchorSpec
from models.tasks.anchors import boxes_on, cells_by_step
from models.tasks.probed import ProbedOutput

_ASIDE = ("raw_", "detection_multiclass_scores", "detection_anchor_indices", "detection_masks")
"""What the TensorFlow Object Detection API answers beside its detections."""
_BOXES = ("box", "loc", "reg", "offset")
_SCORES = ("score", "conf", "prob", "logit")
_CLASSES = ("class", "cls", "label")
_COUNTS = ("num", "count", "valid")


@dataclass(frozen=True, slots=True)
class Roles:
    """Outputs by what they are.

    Attributes:
        boxes: one, or one for each feature map.
        scores: the same; of one score a box, or one a class.
        classes: of each box.
        count: of boxes that are meant.
    """

    boxes: tuple[ProbedOutput, ...] = ()
    scores: tuple[ProbedOutput, ...] = ()
    classes: ProbedOutput | None = None
    count: ProbedOutput | None = None


def head_roles(outputs: Sequence[ProbedOutput], anchors: AnchorSpec, spec: InputSpec) -> Roles | None:
    """The heads of an SSD with these default boxes: a pair for each feature map in any order, or one pair of all."""
    cells = cells_by_step(anchors, spec.height, spec.width)
    shaped = sorted({output.shape[:2] for output in outputs if len(output.shape) >= 3}, key=math.prod, reverse=True)
    if len(shaped) == len(cells):
        cells = tuple((height, width) for height, width in shaped)
    numbers = boxes_on(anchors, cells)
    if len(outputs) == 2 and len(cells) > 1:
        cells, numbers = ((0, 0),), (sum(numbers),)
    if len(outputs) != 2 * len(cells):
        return None
    boxes = []
    for map_cells, number in zip(cells, numbers, strict=True):
        laid = [output for output in outputs if output.shape[:2] == map_cells or output.shape[:1] == (number,)]
        fitting = [output for output in laid if _size(output) == 4 * number]
        boxes += [_only(fitting if len(fitting) == 1 else _told_apart(fitting))]
    rest = sorted((output for output in outputs if not _among(output, boxes)), key=_size, reverse=True)
    classes = {_size(output) / number for output, number in zip(rest, numbers, strict=False)}
    if None in boxes or len(rest) != len(boxes) or len(classes) != 1 or classes.pop() < 2:
        return None
    return Roles(tuple(each for each in boxes if each is not None), tuple(rest))


def final_roles(outputs: Sequence[ProbedOutput]) -> Roles | None:
    """Boxes as they are meant, with what belongs to them; None where names and shapes do not tell them."""
    among = [output for output in outputs if not output.name.lower().startswith(_ASIDE)]
    boxes = _one(among, _BOXES, lambda output: output.shape[-1:] == (4,) and len(output.sides) <= 2)
    if boxes is None:
        return None
    number = _size(boxes) // 4
    beside = [output for output in among if output is not boxes]
    classes = _one(beside, _CLASSES, lambda output: _size(output) == number and _is_of_indices(output))
    beside = [output for output in beside if output is not classes]
    scores = _one(beside, _SCORES, lambda output: output.is_float and _is_a_row_each(output, number))
    if scores is None:
        return None
    count = _one([output for output in beside if output is not scores], _COUNTS, lambda output: _size(output) == 1)
    return Roles((boxes,), (scores,), classes, count)


def speak_for_themselves(roles: Roles, outputs: Sequence[ProbedOutput]) -> bool:
    """Whether outputs are a detection without a card's word: several boxes, called so or with nothing beside them."""
    boxes = roles.boxes[0]
    known = 2 + (roles.classes is not None) + (roles.count is not None)
    return len(boxes.sides) == 2 and (_is_called(boxes, _BOXES[:1]) or known == len(outputs))


def _one(
    outputs: Iterable[ProbedOutput], words: Sequence[str], fits: Callable[[ProbedOutput], bool]
) -> ProbedOutput | None:
    """The output that fits: one that bears such a name, else the only one."""
    fitting = [output for output in outputs if fits(output)]
    for word in words:
        called = [output for output in fitting if word in output.name.lower()]
        if called:
            return min(called, key=lambda output: len(output.name))
    return _only(fitting)


def _only(outputs: Sequence[ProbedOutput]) -> ProbedOutput | None:
    return outputs[0] if len(outputs) == 1 else None


def _told_apart(outputs: Sequence[ProbedOutput]) -> list[ProbedOutput]:
    """Of outputs of the same size those that are boxes, as where there are four classes."""
    called = [output for output in outputs if _is_called(output, _BOXES)]
    return called or [output for output in outputs if output.ending not in ("Softmax", "Sigmoid")]


def _is_called(output: ProbedOutput, words: Sequence[str]) -> bool:
    return any(word in output.name.lower() for word in words)


def _is_of_indices(output: ProbedOutput) -> bool:
    if _is_called(output, _SCORES):
        return False
    whole = output.is_whole or bool(np.all(output.values == np.rint(output.values)))
    return whole and (output.is_whole or _is_called(output, _CLASSES) or float(output.values.max()) > 1)


def _is_a_row_each(output: ProbedOutput, boxes: int) -> bool:
    return boxes == 1 or (output.sides[:1] == (boxes,) and len(output.sides) <= 2)


def _among(output: ProbedOutput, others: Iterable[ProbedOutput | None]) -> bool:
    return any(output is other for other in others)


def _size(output: ProbedOutput) -> int:
    return math.prod(output.shape)
