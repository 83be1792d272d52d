"""How a detection's outputs are written: boxes beside scores, relative to default boxes, or all in one row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.artefacts import OutputSpec
from models.card import Activation, InputSpec
from models.card_fields import bad
from models.detection_card import AnchorSpec, DetectionSpec
from models.errors import ModelFault, ModelRejected
from models.tasks.anchors import boxes_on
from models.tasks.box_numbers import order_and_units
from models.tasks.detection import cells_of, rows_of
from models.tasks.output_roles import Roles
from models.tasks.probed import ProbedOutput, told

_ELSE = "its card's `detection` may say otherwise"


class Form(NamedTuple):
    """How boxes, scores and classes are written.

    Attributes:
        spec: all of it but suppression and what classes are called.
        classes: how many scores a box has; None where its class is told apart.
        activation: what makes probabilities of scores.
        notes: what was read off, or assumed.
    """

    spec: DetectionSpec
    classes: int | None
    activation: Activation
    notes: tuple[str, ...]


def form_of_outputs(roles: Roles, spec: DetectionSpec, fields: Mapping[str, Any], image: InputSpec) -> Form:
    """Of boxes in outputs of their own.

    Args:
        roles: which output is what; `spec` names them.
        spec: the card's `detection`.
        fields: what is written there.
        image: the model's input.

    Raises:
        ModelRejected: `wrong_output`, where the outputs do not go together.
    """
    boxes = sum(map(_size, roles.boxes)) // 4
    scores = sum(map(_size, roles.scores))
    if not _go_together(roles, boxes, scores) or (
        spec.anchors and _expected(spec, spec.anchors, roles, image) != boxes
    ):
        raise ModelRejected(
            ModelFault.WRONG_OUTPUT,
            f"boxes {told(roles.boxes)} do not go together with {told(_beside(roles))}"
            + (" and its default boxes" if spec.anchors else ""),
        )
    if spec.anchors is not None:
        spec = replace(spec, order=spec.order if "order" in fields else "cxcywh")
        if spec.order not in ("cxcywh", "cycxhw"):
            raise bad(f"`detection.order` {spec.order} says nothing of default boxes; cxcywh or cycxhw is expected")
        notes: tuple[str, ...] = (f"its {boxes:,} boxes are told in relation to default boxes; {_ELSE}",)
    else:
        numbers = np.concatenate([output.values.reshape(-1, 4) for output in roles.boxes]).astype(np.float64)
        spec, notes = _written(spec, fields, roles.boxes[0], numbers, in_rows=False)
    activation = _activation(roles.scores)
    return Form(spec, None if roles.classes else scores // boxes, activation, notes)


def form_of_rows(output: ProbedOutput, spec: DetectionSpec, fields: Mapping[str, Any], labels: int) -> Form:
    """Of one output with a row (or a column) for each box: its four numbers, then scores.

    Args:
        output: which tells everything.
        spec: the card's `detection`.
        fields: what is written there.
        labels: how many the card has.

    Raises:
        ModelRejected: `wrong_output`; its shape is another.
    """
    if len(output.sides) != 2:
        raise ModelRejected(
            ModelFault.WRONG_OUTPUT, f"{told([output])} has no row of four numbers and scores for each box"
        )
    final = bool(spec.classes) or ("objectness" not in fields and _is_final(output, labels))
    rows = np.concatenate([rows_of(each, final, labels) for each in output.values.astype(np.float64)])
    columns = rows.shape[1]
    if columns < 5 or (final and columns != 6):
        needed = "six: a box, its score and its class" if final else "five or more: a box and its scores"
        raise ModelRejected(
            ModelFault.WRONG_OUTPUT, f"{told([output])} has rows of {columns} numbers and needs {needed}"
        )
    spec, notes = _written(spec, fields, output, rows[:, :4], in_rows=not final)
    if final:
        return Form(replace(spec, classes=output.name), None, "none", notes)
    if "objectness" not in fields:
        # As YOLO has it up to its version 5; later ones have a column for each box, and no such score.
        column_each = columns != output.sides[-1]
        spec = replace(spec, objectness=columns == 5 + labels if labels else columns > 5 and not column_each)
    scores = ProbedOutput(output.name, rows[:, 4:], output.ending)
    return Form(spec, columns - 4 - spec.objectness, _activation([scores]), notes)


def _is_final(output: ProbedOutput, labels: int) -> bool:
    """Whether rows are a box, its score and its class, as detectors answer that suppress by themselves."""
    if 6 not in output.sides or labels in (1, 2):
        return False
    rows = np.concatenate([rows_of(each, final=True, labels=0) for each in output.values])
    return bool(np.all(rows[:, 5] % 1 == 0))


def _written(
    spec: DetectionSpec, fields: Mapping[str, Any], output: ProbedOutput, numbers: NDArray[np.float64], in_rows: bool
) -> tuple[DetectionSpec, tuple[str, ...]]:
    order, units, certain = order_and_units(output, numbers, in_rows)
    spec = replace(
        spec,
        order=spec.order if "order" in fields else order,
        units=spec.units if "units" in fields else units,
    )
    if {"order", "units"} <= set(fields):
        return spec, ()
    how = "its boxes are" if certain else "its boxes are taken to be"
    return spec, (f"{how} {spec.order} in {spec.units} of the input; {_ELSE}",)


def _go_together(roles: Roles, boxes: int, scores: int) -> bool:
    beside = [roles.classes] if roles.classes else []
    return (
        boxes > 0
        and all(_size(output) % 4 == 0 for output in roles.boxes)
        and scores % boxes == 0
        and all(_size(output) == boxes == scores for output in beside)
        and (roles.count is None or _size(roles.count) == 1)
    )


def _expected(spec: DetectionSpec, anchors: AnchorSpec, roles: Roles, image: InputSpec) -> int:
    outputs = [OutputSpec(output.name, output.shape) for output in roles.boxes]
    return sum(boxes_on(anchors, cells_of(spec, anchors, outputs, (image.height, image.width))))


def _activation(scores: Sequence[ProbedOutput]) -> Activation:
    """What makes probabilities of scores that do not exclude each other.

    There are so many of them that all within 0..1 are no chance, whatever operation made them.
    """
    known = (output.ending in ("Softmax", "Sigmoid") or output.lay_within for output in scores)
    return "none" if all(known) or all(output.is_distribution() for output in scores) else "sigmoid"


def _beside(roles: Roles) -> list[ProbedOutput]:
    return [*roles.scores, *(output for output in (roles.classes, roles.count) if output is not None)]


def _size(output: ProbedOutput) -> int:
    return math.prod(output.shape)
