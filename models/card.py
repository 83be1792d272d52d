"""The card: how a model wants its images, and what its outputs mean."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, cast, get_args

from models.errors import ModelFault, ModelRejected

Task = Literal["classification", "regression", "raw"]
Layout = Literal["NHWC", "NCHW"]
Fit = Literal["stretch", "crop", "pad"]
Color = Literal["RGB", "BGR", "grey"]

MAX_CARD_BYTES = 4 * 1024 * 1024
MAX_SIDE = 8192
MAX_LABEL = 500
_LARGEST_NUMBER = 1e30
"""Scaling is done in float32, which holds neither much larger numbers nor the inverse of much smaller ones."""


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
    """What a model says of itself; everything it leaves out was read off the model."""

    name: str
    version: str
    labels: tuple[str, ...]
    task: Task
    input: InputSpec
    tags: tuple[str, ...] = ()
    description: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, as `read_card` takes them."""
        return cast(dict[str, Any], json.loads(json.dumps(asdict(self))))

    def label(self, class_index: int) -> str:
        """The label of a class; its index as text where the card names none."""
        return self.labels[class_index] if self.labels else str(class_index)


def parse_card(text: str | bytes) -> dict[str, Any]:
    """The card's JSON object.

    Raises:
        ModelRejected: `bad_card`; not JSON, not an object, a field given twice, or over 4 MiB as UTF-8.
    """
    if len(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text) > MAX_CARD_BYTES:
        raise _bad(f"the card is larger than {MAX_CARD_BYTES} bytes")
    try:
        card = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_field_twice)
    except RecursionError as error:
        raise _bad("the card is nested too deeply") from error
    except ValueError as error:
        raise _bad(f"the card is not JSON: {error}") from error
    if not isinstance(card, dict):
        raise _bad("the card is not a JSON object")
    return card


def read_card(written: Mapping[str, Any], inferred: Card) -> Card:
    """The card that was `written`, completed by what was `inferred` from the model itself.

    Args:
        written: the JSON object; unknown fields are errors, so that a misspelt one is not silently ignored.
        inferred: the card of a model without one.

    Raises:
        ModelRejected: `bad_card`, naming the field.
    """
    _no_unknown(written, Card, "the card")
    labels = _texts(written, "labels", inferred.labels)
    return Card(
        name=_text(written, "name", inferred.name, limit=256).strip() or inferred.name,
        version=_text(written, "version", inferred.version, limit=256),
        labels=labels,
        task=cast(Task, _choice(written, "task", get_args(Task), inferred.task)),
        input=_read_input(written.get("input", {}), inferred.input),
        tags=_texts(written, "tags", ()),
        description=_text(written, "description", "", limit=100_000, lines=True),
    )


def _read_input(written: Any, inferred: InputSpec) -> InputSpec:
    if not isinstance(written, dict):
        raise _bad("`input` is not a JSON object")
    _no_unknown(written, InputSpec, "`input`")
    layout = cast(Layout, _choice(written, "layout", get_args(Layout), inferred.layout))
    channels, color = _channels_and_color(written, inferred)
    spec = replace(
        inferred,
        height=_side(written, "height", inferred.height),
        width=_side(written, "width", inferred.width),
        channels=channels,
        layout=layout,
        scale=_number(written.get("scale", inferred.scale), "scale"),
        fit=cast(Fit, _choice(written, "fit", get_args(Fit), inferred.fit)),
        color=color,
    )
    mean = _per_channel(written, "mean", inferred.mean, spec.channels)
    std = _per_channel(written, "std", inferred.std, spec.channels)
    if abs(spec.scale) < 1 / _LARGEST_NUMBER:
        raise _bad("`input.scale` must not be zero")
    if any(value < 1 / _LARGEST_NUMBER for value in std):
        raise _bad("`input.std` must be greater than zero")
    return replace(spec, mean=mean, std=std)


def _no_field_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise ValueError(f"the field {_shown(name)} is given twice")
        fields[name] = value
    return fields


def _shown(value: object) -> str:
    """What was written there, as a part of one printable line."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _bad(detail: str) -> ModelRejected:
    return ModelRejected(ModelFault.BAD_CARD, detail)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _no_unknown(written: Mapping[str, Any], kind: type, where: str) -> None:
    unknown = sorted(set(written) - set(kind.__dataclass_fields__))  # type: ignore[attr-defined]
    if unknown:
        known = ", ".join(kind.__dataclass_fields__)  # type: ignore[attr-defined]
        raise _bad(f"{where} has an unknown field {_shown(unknown[0])}; there are {known}")


def _text(written: Mapping[str, Any], field: str, default: str, *, limit: int, lines: bool = False) -> str:
    value = written.get(field, default)
    if field == "version" and isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or len(value) > limit:
        raise _bad(f"`{field}` must be a text of at most {limit} characters")
    _require_printable(value, field, allowed="\n\r\t" if lines else "")
    return value


def _texts(written: Mapping[str, Any], field: str, default: tuple[str, ...]) -> tuple[str, ...]:
    value = written.get(field, list(default))
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _bad(f"`{field}` must be a list of texts")
    for item in value:
        if len(item) > MAX_LABEL:
            raise _bad(f"`{field}` holds a text of {len(item)} characters; at most {MAX_LABEL} are allowed")
        _require_printable(item, field)
    return tuple(value)


def _require_printable(text: str, field: str, allowed: str = "") -> None:
    """Half surrogate pairs cannot be written as UTF-8, and control characters would write in others' terminals."""
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") and character not in allowed:
            raise _bad(f"`{field}` holds the character U+{ord(character):04X}, which cannot be printed")


def _choice(written: Mapping[str, Any], field: str, choices: tuple[str, ...], default: str) -> str:
    value = written.get(field, default)
    if value not in choices:
        raise _bad(f"`{field}` is {_shown(value)}; one of {', '.join(choices)} is expected")
    return cast(str, value)


def _integer(written: Mapping[str, Any], field: str, default: int) -> int:
    value = written.get(field, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _bad(f"`input.{field}` must be a whole number")
    return value


def _channels_and_color(written: Mapping[str, Any], inferred: InputSpec) -> tuple[Literal[1, 3], Color]:
    """Each follows from the other where only one of them is written."""
    color = cast(Color, _choice(written, "color", get_args(Color), inferred.color))
    implied: Literal[1, 3] = 1 if color == "grey" else 3
    channels = _channels(written, implied if "color" in written else inferred.channels)
    if channels == implied:
        return channels, color
    if "color" in written:
        raise _bad(f"`input.color` {color} contradicts `input.channels` {channels}")
    return channels, "grey" if channels == 1 else "RGB"


def _channels(written: Mapping[str, Any], default: Literal[1, 3]) -> Literal[1, 3]:
    match _integer(written, "channels", default):
        case 1 | 3 as channels:
            return channels
        case other:
            raise _bad(f"`input.channels` is {_shown(other)}; 1 and 3 are supported")


def _side(written: Mapping[str, Any], field: str, default: int) -> int:
    value = _integer(written, field, default)
    if not 1 <= value <= MAX_SIDE:
        raise _bad(f"`input.{field}` must lie between 1 and {MAX_SIDE} pixels")
    return value


def _number(value: Any, field: str) -> float:
    if (
        not isinstance(value, int | float)
        or isinstance(value, bool)
        or not -_LARGEST_NUMBER <= value <= _LARGEST_NUMBER
    ):
        raise _bad(f"`input.{field}` must be a number between -1e30 and 1e30")
    return float(value)


def _per_channel(
    written: Mapping[str, Any], field: str, default: tuple[float, ...], channels: int
) -> tuple[float, ...]:
    value = written.get(field, list(default))
    values = tuple(_number(item, field) for item in (value if isinstance(value, list) else [value]))
    if len(values) not in (1, channels):
        raise _bad(f"`input.{field}` has {len(values)} numbers for {channels} channels")
    return values
