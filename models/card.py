"""The card: how a model wants its images, and what its outputs mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, cast, get_args

from models.card_fields import LARGEST_NUMBER, MAX_LABEL, bad, choice, no_unknown, number, shown, text, texts
from models.detection_card import DetectionSpec, read_detection

Task = Literal["classification", "binary", "multilabel", "segmentation", "detection", "regression", "raw"]
Activation = Literal["none", "softmax", "sigmoid"]
Layout = Literal["NHWC", "NCHW"]
Fit = Literal["stretch", "crop", "pad"]
Color = Literal["RGB", "BGR", "grey"]

MAX_CARD_BYTES = 4 * 1024 * 1024
MAX_SIDE = 8192


@dataclass(frozen=True, slots=True)
class InputSpec:
    """How pixels become a model's input.

    Each image is fitted to `height` × `width`, given `channels` in the order of `color`, and becomes
    `(pixel * scale - mean) / std` (per channel, float32) where the model takes floats; a model that takes integers gets
    the pixels 0..255.

    Attributes:
        height: pixels.
        width: pixels.
        channels: 3 or 1.
        layout: `NHWC` (batch, height, width, channels) or `NCHW`.
        scale: factor for pixel values 0..255.
        mean: one number a channel, in the order of `color`, subtracted after scaling.
        std: one number a channel, likewise, divided by at the end.
        fit: `stretch` ignores the aspect ratio, `crop` cuts the centre, `pad` adds black borders.
        color: which channel comes first, of 3; `grey` of 1, whatever was given.
    """

    height: int
    width: int
    channels: Literal[1, 3] = 3
    layout: Layout = "NHWC"
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    fit: Fit = "stretch"
    color: Color = "RGB"

    def __post_init__(self) -> None:
        if self.channels == 1:
            object.__setattr__(self, "color", "grey")


@dataclass(frozen=True, slots=True)
class Card:
    """What a model says of itself; everything it leaves out was read off the model.

    Attributes:
        name: of the model; results bear it.
        version: of the model.
        labels: of its classes; () where their indices will do.
        task: what its outputs mean.
        input: how it wants its images.
        tags: any words.
        description: of any length.
        activation: what makes probabilities of its scores: `none` where they are, `softmax` over all classes, or
            `sigmoid` of each.
        threshold: the probability from which on a label is given to an image (`multilabel`), a pixel (`segmentation`
            by one number), a box (`detection`), and from which on it is the second of two (`binary`).
        output: the output that tells the answer, by name or position; "" where there is but one, or several do.
        detection: which outputs are what; None for another task.
    """

    name: str
    version: str
    labels: tuple[str, ...]
    task: Task
    input: InputSpec
    tags: tuple[str, ...] = ()
    description: str = ""
    activation: Activation = "none"
    threshold: float = 0.5
    output: str = ""
    detection: DetectionSpec | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, as `read_card` takes them."""
        return cast(dict[str, Any], json.loads(json.dumps(asdict(self))))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Card:
        """Reads what `to_json` wrote, or what a stranger says that it did.

        Raises:
            ModelRejected: `bad_card`, naming the field.
        """
        return read_card(value, cls("", "", (), "raw", InputSpec(1, 1)))

    def label(self, class_index: int) -> str:
        """The label of a class; its index as text where the card names none."""
        return self.labels[class_index] if class_index < len(self.labels) else str(class_index)


def parse_card(text: str | bytes) -> dict[str, Any]:
    """The card's JSON object.

    Raises:
        ModelRejected: `bad_card`; not JSON, not an object, a field given twice, or over 4 MiB as UTF-8.
    """
    if len(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text) > MAX_CARD_BYTES:
        raise bad(f"the card is larger than {MAX_CARD_BYTES} bytes")
    try:
        card = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_field_twice)
    except RecursionError as error:
        raise bad("the card is nested too deeply") from error
    except ValueError as error:
        raise bad(f"the card is not JSON: {error}") from error
    if not isinstance(card, dict):
        raise bad("the card is not a JSON object")
    return card


def read_card(written: Mapping[str, Any], inferred: Card) -> Card:
    """The card that was `written`, completed by what was `inferred` from the model itself.

    Args:
        written: the JSON object; unknown fields are errors, so that a misspelt one is not silently ignored.
        inferred: the card of a model without one.

    Raises:
        ModelRejected: `bad_card`, naming the field.
    """
    no_unknown(written, Card, "the card")
    labels = texts(written, "labels", inferred.labels)
    return Card(
        name=text(written, "name", inferred.name, limit=256).strip() or inferred.name,
        version=text(written, "version", inferred.version, limit=256),
        labels=labels,
        task=cast(Task, choice(written, "task", get_args(Task), inferred.task)),
        input=_read_input(written.get("input", {}), inferred.input),
        tags=texts(written, "tags", ()),
        description=text(written, "description", "", limit=100_000, lines=True),
        activation=cast(Activation, choice(written, "activation", get_args(Activation), inferred.activation)),
        threshold=number(written.get("threshold", inferred.threshold), "threshold", 0.0, 1.0),
        output=_read_output(written, inferred.output),
        detection=_read_detection(written, inferred.detection),
    )


def _read_output(written: Mapping[str, Any], inferred: str) -> str:
    value = written.get("output", inferred)
    named = {"output": str(value)} if isinstance(value, int) and not isinstance(value, bool) else {"output": value}
    return text(named, "output", "", limit=MAX_LABEL)


def _read_detection(written: Mapping[str, Any], inferred: DetectionSpec | None) -> DetectionSpec | None:
    if written.get("detection") is None:
        return inferred
    return read_detection(written["detection"], inferred or DetectionSpec())


def _read_input(written: Any, inferred: InputSpec) -> InputSpec:
    if not isinstance(written, dict):
        raise bad("`input` is not a JSON object")
    no_unknown(written, InputSpec, "`input`")
    layout = cast(Layout, choice(written, "layout", get_args(Layout), inferred.layout))
    channels, color = _channels_and_color(written, inferred)
    spec = replace(
        inferred,
        height=_side(written, "height", inferred.height),
        width=_side(written, "width", inferred.width),
        channels=channels,
        layout=layout,
        scale=number(written.get("scale", inferred.scale), "input.scale"),
        fit=cast(Fit, choice(written, "fit", get_args(Fit), inferred.fit)),
        color=color,
    )
    mean = _per_channel(written, "mean", inferred.mean, spec.channels)
    std = _per_channel(written, "std", inferred.std, spec.channels)
    if abs(spec.scale) < 1 / LARGEST_NUMBER:
        raise bad("`input.scale` must not be zero")
    if any(value < 1 / LARGEST_NUMBER for value in std):
        raise bad("`input.std` must be greater than zero")
    return replace(spec, mean=mean, std=std)


def _no_field_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise ValueError(f"the field {shown(name)} is given twice")
        fields[name] = value
    return fields


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _integer(written: Mapping[str, Any], field: str, default: int) -> int:
    value = written.get(field, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise bad(f"`input.{field}` must be a whole number")
    return value


def _channels_and_color(written: Mapping[str, Any], inferred: InputSpec) -> tuple[Literal[1, 3], Color]:
    """Each follows from the other where only one of them is written."""
    color = cast(Color, choice(written, "color", get_args(Color), inferred.color))
    implied: Literal[1, 3] = 1 if color == "grey" else 3
    channels = _channels(written, implied if "color" in written else inferred.channels)
    if channels == implied:
        return channels, color
    if "color" in written:
        raise bad(f"`input.color` {color} contradicts `input.channels` {channels}")
    return channels, "grey" if channels == 1 else "RGB"


def _channels(written: Mapping[str, Any], default: Literal[1, 3]) -> Literal[1, 3]:
    match _integer(written, "channels", default):
        case 1 | 3 as channels:
            return channels
        case other:
            raise bad(f"`input.channels` is {shown(other)}; 1 and 3 are supported")


def _side(written: Mapping[str, Any], field: str, default: int) -> int:
    value = _integer(written, field, default)
    if not 1 <= value <= MAX_SIDE:
        raise bad(f"`input.{field}` must lie between 1 and {MAX_SIDE} pixels")
    return value


def _per_channel(
    written: Mapping[str, Any], field: str, default: tuple[float, ...], channels: int
) -> tuple[float, ...]:
    value = written.get(field, list(default))
    values = tuple(number(item, f"input.{field}") for item in (value if isinstance(value, list) else [value]))
    if len(values) not in (1, channels):
        raise bad(f"`input.{field}` has {len(values)} numbers for {channels} channels")
    return values
