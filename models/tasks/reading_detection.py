"""A detection's outputs and how they are written, read off the model where the card does not say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from models.card import Activation, Card, InputSpec
from models.card_fields import bad
from models.detection_card import KNOWN_ANCHORS, AnchorSpec, DetectionSpec
from models.errors import ModelFault, ModelRejected
from models.tasks.detection_forms import Form, form_of_outputs, form_of_rows
from models.tasks.output_roles import Roles, final_roles, head_roles, speak_for_themselves
from models.tasks.probed import ProbedOutput, by_name, told

_BACKGROUND = ("background", "__background__", "bg", "none", "no_object", "no-object", "n/a")
_IOU_THRESHOLD = 0.5
_IOU_THRESHOLD_OF_SSD = 0.45
"""`nms_threshold` of balancap/SSD-Tensorflow's own demonstration."""


def find_detection(outputs: Sequence[ProbedOutput], spec: InputSpec) -> str:
    """What makes outputs a detection without a card; "" where nothing does."""
    if heads := _known_heads(outputs, spec):
        return f"its {len(outputs)} outputs are those of an SSD with the default boxes of {heads.name}"
    roles = final_roles(outputs)
    if roles is None or not speak_for_themselves(roles, outputs):
        return ""
    return f"it answers boxes ({told(roles.boxes)}) and their scores ({told(roles.scores)})"


def read_detection_off(
    outputs: Sequence[ProbedOutput], card: Card, written: Mapping[str, Any]
) -> tuple[Card, tuple[str, ...]]:
    """Completes a card's `detection`, and holds what it says against the outputs; and what was read off or assumed.

    Raises:
        ModelRejected: `bad_card`, `wrong_output` or `labels_mismatch`.
    """
    fields: Mapping[str, Any] = written.get("detection") or {}
    roles, anchors = _roles(outputs, card)
    spec = replace(card.detection or DetectionSpec(), **_names(roles), anchors=anchors)
    if spec.boxes == spec.scores:
        form = form_of_rows(roles.boxes[0], spec, fields, len(card.labels))
    else:
        form = form_of_outputs(roles, spec, fields, card.input)
    form = form._replace(spec=_with_background(form, fields, card))
    activation = card.activation if "activation" in written else _activation(form)
    spec, how = _suppressed(form, fields)
    _check_labels(form, card)
    return replace(card, detection=spec, activation=activation, output=""), (*form.notes, *how)


class _Heads(NamedTuple):
    """The outputs of an SSD that is known.

    Attributes:
        name: of its default boxes.
        anchors: them.
        roles: of the outputs.
    """

    name: str
    anchors: AnchorSpec
    roles: Roles


def _known_heads(outputs: Sequence[ProbedOutput], spec: InputSpec) -> _Heads | None:
    for name, anchors in KNOWN_ANCHORS.items():
        # The last feature map has one cell, which is as large as the input that the network was made for.
        if spec.height == spec.width == anchors.steps[-1]:
            roles = head_roles(outputs, anchors, spec)
            if roles is not None:
                return _Heads(name, anchors, roles)
    return None


def _roles(outputs: Sequence[ProbedOutput], card: Card) -> tuple[Roles, AnchorSpec | None]:
    """Which output is what, and the default boxes that they mean.

    Raises:
        ModelRejected: `bad_card` or `wrong_output`.
    """
    asked = card.detection or DetectionSpec()
    if asked.anchors is None and not asked.boxes and (heads := _known_heads(outputs, card.input)):
        return _as_asked(heads.roles, asked, outputs), heads.anchors
    found = (head_roles(outputs, asked.anchors, card.input) if asked.anchors else None) or final_roles(outputs)
    if found is None and len(outputs) == 1:
        found = Roles((outputs[0],), (outputs[0],))
    roles = _as_asked(found or Roles(), asked, outputs)
    if not roles.boxes or not roles.scores:
        raise ModelRejected(
            ModelFault.WRONG_OUTPUT,
            f"a detection needs boxes and scores, but it answers {told(outputs)}; "
            "say in its card's `detection` which outputs are `boxes` and which `scores`, or say another `task`",
        )
    return roles, asked.anchors


def _as_asked(roles: Roles, asked: DetectionSpec, outputs: Sequence[ProbedOutput]) -> Roles:
    """The roles, those that the card names in place of what was found."""

    def named(field: str, names: Sequence[str]) -> tuple[ProbedOutput, ...]:
        return tuple(by_name(name, outputs, f"detection.{field}") for name in names)

    boxes = named("boxes", asked.boxes) or roles.boxes
    scores = named("scores", asked.scores) or roles.scores
    return Roles(
        boxes,
        scores or (boxes if asked.boxes else ()),
        next(iter(named("classes", [asked.classes] if asked.classes else [])), roles.classes),
        next(iter(named("count", [asked.count] if asked.count else [])), roles.count),
    )


def _names(roles: Roles) -> dict[str, Any]:
    return {
        "boxes": tuple(output.name for output in roles.boxes),
        "scores": tuple(output.name for output in roles.scores),
        "classes": roles.classes.name if roles.classes else "",
        "count": roles.count.name if roles.count else "",
    }


def _with_background(form: Form, fields: Mapping[str, Any], card: Card) -> DetectionSpec:
    """Which class is no object, and which one the first label names.

    Raises:
        ModelRejected: `bad_card`; there is no such class.
    """
    spec, labels = form.spec, card.labels
    if "background" not in fields:
        spec = _replaced_background(spec, form, labels)
    if spec.background is not None and form.classes is not None and spec.background >= form.classes:
        raise bad(f"`detection.background` is {spec.background}, but there are {form.classes} classes")
    if "first_label" not in fields:
        unnamed = spec.background == 0 and bool(labels)
        if form.classes is None:
            unnamed = unnamed and labels[0].lower() not in _BACKGROUND
        else:
            unnamed = unnamed and len(labels) == form.classes - 1
        spec = replace(spec, first_label=int(unnamed))
    return spec


def _replaced_background(spec: DetectionSpec, form: Form, labels: Sequence[str]) -> DetectionSpec:
    """By SSD's custom and the Object Detection API's the first class, by DETR's the last, else as labels tell it."""
    first: int | None = None
    name = spec.boxes[0].lower()
    if spec.anchors is not None or (name.startswith("detection_box") and form.classes is None):
        first = 0
    elif form.classes is not None and name.startswith("pred_box"):
        first = form.classes - 1
    elif labels and labels[0].lower() in _BACKGROUND:
        first = 0
    elif labels and form.classes == len(labels) and labels[-1].lower() in _BACKGROUND:
        first = len(labels) - 1
    elif form.classes is not None and len(labels) == form.classes - 1 > 0:
        first = 0
    return replace(spec, background=first)


def _activation(form: Form) -> Activation:
    """Classes of which one is the background exclude each other."""
    exclusive = form.spec.background is not None and form.classes is not None and not form.spec.objectness
    return "softmax" if form.activation == "sigmoid" and exclusive else form.activation


def _suppressed(form: Form, fields: Mapping[str, Any]) -> tuple[DetectionSpec, tuple[str, ...]]:
    spec = form.spec
    if "iou_threshold" in fields:
        return spec, ()
    if form.classes is None or (form.classes == 1 and not spec.anchors and spec.boxes != spec.scores):
        return replace(spec, iou_threshold=None), (
            "its boxes are taken as final, also where they overlap; `detection.iou_threshold` in its card suppresses",
        )
    threshold = _IOU_THRESHOLD_OF_SSD if spec.anchors else _IOU_THRESHOLD
    how = f"of boxes of a class that overlap by more than {threshold} the best remains (`detection.iou_threshold`)"
    return replace(spec, iou_threshold=threshold), (how,)


def _check_labels(form: Form, card: Card) -> None:
    """Refuses labels of another number than the classes.

    Raises:
        ModelRejected: `labels_mismatch`.
    """
    if not card.labels or form.classes is None:
        return
    classes = form.classes - form.spec.first_label
    if form.spec.background == form.classes - 1 and len(card.labels) == classes - 1:
        return
    if len(card.labels) != classes:
        raise ModelRejected(
            ModelFault.LABELS_MISMATCH,
            f"{len(card.labels)} labels for {form.classes} classes; give the card one label for each, "
            "with or without the background",
        )
