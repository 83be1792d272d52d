"""What a card says of detection: which of a model's outputs are what, and how its boxes are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from models.card_fields import bad, choice, no_unknown, number, shown, texts, whole

BoxOrder = Literal["xyxy", "yxyx", "xywh", "cxcywh", "cycxhw"]
BoxUnits = Literal["shares", "pixels"]

MOST_DETECTIONS = 1000
_MOST_MAPS = 16
_MOST_SIDE = 8192.0
_SCALING = [0.1, 0.1, 0.2, 0.2]
_WITHIN = "detection."


@dataclass(frozen=True, slots=True)
class AnchorSpec:
    """The default boxes of an SSD: a group for each of its feature maps, the finest map first.

    On each cell of a map lie a square of the first size, one of the geometric mean of both sizes where there are two,
    and a box of the first size's area for each ratio.

    Attributes:
        sizes: of a map, one number or two, in pixels of the model's input.
        ratios: of a map, width : height.
        steps: of a map, pixels of the model's input from cell to cell.
        offset: of the first cell's centre, in steps.
        scaling: what the network's numbers for cx, cy, w and h are multiplied by.
    """

    sizes: tuple[tuple[float, ...], ...]
    ratios: tuple[tuple[float, ...], ...]
    steps: tuple[float, ...]
    offset: float = 0.5
    scaling: tuple[float, ...] = tuple(_SCALING)

    def on_a_cell(self, number: int) -> int:
        """How many boxes lie on each cell of a map."""
        return len(self.sizes[number]) + len(self.ratios[number])


_TWO, _FOUR = (2.0, 1 / 2), (2.0, 1 / 2, 3.0, 1 / 3)
KNOWN_ANCHORS = {
    "ssd300": AnchorSpec(
        ((21, 45), (45, 99), (99, 153), (153, 207), (207, 261), (261, 315)),
        (_TWO, _FOUR, _FOUR, _FOUR, _TWO, _TWO),
        (8, 16, 32, 64, 100, 300),
    ),
    "ssd512": AnchorSpec(
        (
            *((20.48, 51.2), (51.2, 133.12), (133.12, 215.04), (215.04, 296.96)),
            *((296.96, 378.88), (378.88, 460.8), (460.8, 542.72)),
        ),
        (_TWO, _FOUR, _FOUR, _FOUR, _FOUR, _TWO, _TWO),
        (8, 16, 32, 64, 128, 256, 512),
    ),
}
"""Of SSD-VGG as TF-slim has it (`nets/ssd_vgg_300.py` and `ssd_vgg_512.py` of balancap/SSD-Tensorflow)."""


@dataclass(frozen=True, slots=True)
class DetectionSpec:
    """Which outputs are what, and how boxes are written.

    Attributes:
        boxes: outputs of four numbers a box; with `anchors` one for each feature map.
        scores: outputs of one score a box, or one a class. Where it names the output of the boxes too, the scores
            stand behind the four numbers in each row.
        classes: output of the class of each box; "" where scores tell it.
        count: output of how many boxes are meant; "" where all are.
        order: of a box's four numbers: `xyxy` and `yxyx` are corners, `xywh` the upper left corner and the size,
            `cxcywh` and `cycxhw` the centre and the size.
        units: `shares` of the model's input, or its `pixels`.
        objectness: whether a row has, before its class scores, one that all of them are multiplied by.
        background: the class that is no object; None where there is none.
        first_label: the class that the card's first label names.
        iou_threshold: of boxes of a class that overlap more, the best remains; None where the model has seen to it.
        max_detections: most detections that a result has.
        anchors: what boxes are told in relation to; None where they are told as they are.
    """

    boxes: tuple[str, ...] = ()
    scores: tuple[str, ...] = ()
    classes: str = ""
    count: str = ""
    order: BoxOrder = "xyxy"
    units: BoxUnits = "shares"
    objectness: bool = False
    background: int | None = None
    first_label: int = 0
    iou_threshold: float | None = None
    max_detections: int = 100
    anchors: AnchorSpec | None = None


def read_detection(written: Any, inferred: DetectionSpec) -> DetectionSpec:
    """What was `written`, completed by what was `inferred`.

    Raises:
        ModelRejected: `bad_card`, naming the field.
    """
    if not isinstance(written, dict):
        raise bad("`detection` is not a JSON object")
    no_unknown(written, DetectionSpec, "`detection`")
    objectness = written.get("objectness", inferred.objectness)
    if not isinstance(objectness, bool):
        raise bad("`detection.objectness` must be true or false")
    iou = written.get("iou_threshold", inferred.iou_threshold)
    background = written.get("background", inferred.background)
    most = written.get("max_detections", inferred.max_detections)
    return DetectionSpec(
        boxes=_outputs(written, "boxes", inferred.boxes),
        scores=_outputs(written, "scores", inferred.scores),
        classes=_output(written, "classes", inferred.classes),
        count=_output(written, "count", inferred.count),
        order=cast(BoxOrder, choice(written, "order", get_args(BoxOrder), inferred.order, _WITHIN)),
        units=cast(BoxUnits, choice(written, "units", get_args(BoxUnits), inferred.units, _WITHIN)),
        objectness=objectness,
        background=None if background is None else whole(background, "detection.background", 0, 1_000_000),
        first_label=whole(written.get("first_label", inferred.first_label), "detection.first_label", 0, 1_000_000),
        iou_threshold=None if iou is None else number(iou, "detection.iou_threshold", 0.0, 1.0),
        max_detections=whole(most, "detection.max_detections", 1, MOST_DETECTIONS),
        anchors=_read_anchors(written["anchors"]) if written.get("anchors") is not None else inferred.anchors,
    )


def _outputs(written: Mapping[str, Any], field: str, inferred: tuple[str, ...]) -> tuple[str, ...]:
    """Names of outputs, or their positions, as texts; one may stand alone."""
    value = written.get(field, list(inferred))
    each = value if isinstance(value, list) else [value]
    named = [str(item) if isinstance(item, int) and not isinstance(item, bool) else item for item in each]
    return texts({field: named}, field, (), _WITHIN)


def _output(written: Mapping[str, Any], field: str, inferred: str) -> str:
    value = written.get(field, inferred)
    if isinstance(value, list):
        raise bad(f"`detection.{field}` must be one output")
    return "" if value is None else _outputs({field: value}, field, ())[0]


def _read_anchors(written: Any) -> AnchorSpec:
    if isinstance(written, str) and written in KNOWN_ANCHORS:
        return KNOWN_ANCHORS[written]
    if not isinstance(written, dict):
        raise bad(f"`detection.anchors` is {shown(written)}; {', '.join(KNOWN_ANCHORS)} or a JSON object is expected")
    no_unknown(written, AnchorSpec, "`detection.anchors`")
    sizes = _numbers_of_maps(written, "sizes", least=1, most=2)
    ratios = _numbers_of_maps(written, "ratios", least=0, most=_MOST_MAPS)
    steps = tuple(_positive(step, "steps") for step in _list(written.get("steps"), "steps"))
    scaling = tuple(_positive(each, "scaling") for each in _list(written.get("scaling", _SCALING), "scaling"))
    if not len(sizes) == len(ratios) == len(steps) or not sizes:
        raise bad("`detection.anchors` needs as many `sizes` as `ratios` and `steps`, one for each feature map")
    if len(scaling) != 4:
        raise bad("`detection.anchors.scaling` must have four numbers")
    offset = number(written.get("offset", 0.5), "detection.anchors.offset", 0.0, 1.0)
    return AnchorSpec(sizes, ratios, steps, offset, scaling)


def _numbers_of_maps(written: Mapping[str, Any], field: str, least: int, most: int) -> tuple[tuple[float, ...], ...]:
    maps = [_list(each, field) for each in _list(written.get(field), field)]
    if any(not least <= len(each) <= most for each in maps):
        raise bad(f"`detection.anchors.{field}` must have {least} to {most} numbers for each feature map")
    return tuple(tuple(_positive(value, field) for value in each) for each in maps)


def _positive(value: Any, field: str) -> float:
    return number(value, f"detection.anchors.{field}", 1e-3, _MOST_SIDE)


def _list(value: Any, field: str) -> list[Any]:
    if not isinstance(value, list) or len(value) > _MOST_MAPS:
        raise bad(f"`detection.anchors.{field}` must be a list of at most {_MOST_MAPS}")
    return value
