"""What images a model wants: read off its input's shape and its own first steps, where its card does not say."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal, cast

from models.card import MAX_SIDE, Card, InputSpec, Layout, read_card
from models.errors import ModelFault, ModelRejected
from models.vetting.candidate import Candidate, Shape
from models.vetting.origins import TEACHABLE_MACHINE

ANY_SIZE = 224
"""Pixels, of each side of the images for a model that takes any: what most architectures were trained on."""
SMALLEST_SQUARE = 8
"""Pixels, of the side of a grey image that a model may want as a row of numbers: fewer numbers are no image."""


def scaled_once(candidate: Candidate, spec: InputSpec, written: dict[str, Any]) -> tuple[InputSpec, list[str]]:
    """The input with pixels 0..255 where the model scales them itself, and what is to be said of its scaling."""
    asked = written.get("input", {})
    if any(field in asked for field in ("scale", "mean", "std")) or not candidate.input_dtype.startswith("float"):
        return spec, []
    beginning = candidate.beginning()
    if beginning is not None and beginning.takes_pixels:
        return replace(spec, scale=1.0), [f"it scales its pixels itself ({beginning}), and gets them as 0..255"]
    origin = candidate.origin()
    if origin == TEACHABLE_MACHINE:
        return replace(spec, scale=1 / 127.5, mean=(1.0,)), [
            f"it is built as {TEACHABLE_MACHINE} builds its models, and gets its pixels as -1..1 as they do; "
            "its card's `input` may say otherwise: `scale`, `mean`, `std`"
        ]
    assumed = "nothing in it says how it wants its pixels, and it gets them as 0..1; "
    if origin is not None:
        assumed += f"if it was trained with keras.applications.{origin}, publish it with `--preprocess {origin}`; "
    return spec, [f"{assumed}if it was trained on others, say so in its card's `input`: `scale`, `mean`, `std`"]


def assumed_size(shape: Shape, spec: InputSpec, written: dict[str, Any]) -> list[str]:
    """What is to be said of the size of the images for a model that takes any, or a row of numbers."""
    if "height" in written.get("input", {}):
        return []
    if len(shape) == 1:
        size = f"{spec.height}x{spec.width}"
        return [f"it takes {shape[0]} numbers, and gets {size} grey pixels; its card's `input` may say other sides"]
    if not _takes_any_size(shape):
        return []
    return [f"it takes any size, and gets {spec.height}x{spec.width}; its card's `input` may say another"]


def input_spec(shape: Shape, written: dict[str, Any]) -> InputSpec:
    """The input that a model of this shape wants, where its card does not say otherwise.

    Raises:
        ModelRejected: `wrong_input`; no image fits the shape, or the card contradicts it.
    """
    asked = written.get("input") if isinstance(written.get("input"), dict) else {}
    asked = cast(dict[str, Any], asked)
    height, width, channels, layout = _dimensions(shape, asked)
    if _takes_any_size(shape) and not {"height", "width"} & set(asked):
        height = width = ANY_SIZE
    if any(side is not None and not 1 <= side <= MAX_SIDE for side in (height, width)):
        raise ModelRejected(
            ModelFault.WRONG_INPUT, f"takes {_shown(shape)}; the sides of an image lie between 1 and {MAX_SIDE} pixels"
        )
    given = read_card(written, Card("", "", (), "raw", InputSpec(height or 1, width or 1, channels or 3, layout))).input
    for name, size in (("height", height), ("width", width)):
        if size is None and name not in asked:
            raise ModelRejected(ModelFault.WRONG_INPUT, f"takes any {name}; say which one in the card's `input.{name}`")
    expected = [(height, given.height), (width, given.width), (channels, given.channels)]
    if any(own is not None and own != card for own, card in expected) or given.layout != layout:
        raise ModelRejected(
            ModelFault.WRONG_INPUT,
            f"takes {_shown(shape)}, but its card says {given.height}x{given.width}x{given.channels} {given.layout}; "
            "correct the card's `input`",
        )
    return InputSpec(given.height, given.width, given.channels, layout)


def _dimensions(shape: Shape, asked: dict[str, Any]) -> tuple[int | None, int | None, Literal[1, 3] | None, Layout]:
    """Height, width, channels (None: any) and layout of a model's input shape."""
    match shape:
        case (height, width):
            return height, width, 1, "NHWC"
        case (int(size),) if all(isinstance(asked.get(side), int) for side in ("height", "width")):
            height, width = asked["height"], asked["width"]
            for channels in (1, 3):
                if height * width * channels == size:
                    return height, width, channels, asked.get("layout", "NHWC")
        case (int(size),) if _is_square(size) and not {"height", "width"} & set(asked):
            return math.isqrt(size), math.isqrt(size), 1, asked.get("layout", "NHWC")
        case (1 | 3 as channels, height, width) if asked.get("layout", _guessed(shape)) == "NCHW":
            return height, width, channels, "NCHW"
        case (height, width, 1 | 3 | None as channels):
            return height, width, channels, "NHWC"
    raise ModelRejected(
        ModelFault.WRONG_INPUT,
        f"takes {_shown(shape)}, which is no image of 1 or 3 channels; a card's `input` may say how it is one",
    )


def _is_square(size: int) -> bool:
    return math.isqrt(size) >= SMALLEST_SQUARE and math.isqrt(size) ** 2 == size


def _takes_any_size(shape: Shape) -> bool:
    return len(shape) == 3 and (None, None) in (shape[:2], shape[1:])


def _guessed(shape: Shape) -> Layout:
    return "NCHW" if shape[2] not in (1, 3, None) or shape[1:] == (None, None) else "NHWC"


def _shown(shape: Shape) -> str:
    return "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"
