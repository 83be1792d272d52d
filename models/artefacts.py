"""What vetting leaves of a model: its manifest and its compiled form."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from models.card import Card
from models.card_fields import number, whole
from models.errors import ModelFault, ModelRejected
from models.printable import printable
from models.reference import ModelReference

EngineName = Literal["openvino", "onnx", "tensorflow"]
EngineChoice = Literal["auto", "openvino", "onnx", "tensorflow"]

DEFAULT_ENGINE: EngineChoice = "auto"
DEFAULT_LARGEST_BATCH = 32
"""Images; a model is probed and warmed up to it."""
DEFAULT_MAX_VALUES = 10_000
"""Numbers in a result that tells a model's outputs as they are."""

FORMAT = 6
MANIFEST = "manifest.json"
OPENVINO_FILE = "model.xml"
"""Its weights are in a `.bin` of the same name."""
ONNX_FILE = "model.onnx"
SAVED_MODEL = "saved_model"


INPUT_DTYPES = ("float16", "float32", "float64", "uint8", "uint16", "int16", "int32", "int64")
"""Those that hold every pixel value 0..255."""
MOST_NUMBERS = 1 << 26
"""In the answer to one image: more than a score for each class and pixel of a photograph of 2048x1024 in 30 classes."""
WIDEST_NUMBER = 8
"""Bytes of a number in an answer, at most."""
_MOST_BYTES = 1 << 50
_LONGEST_TEXT = 2000


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """One of a model's outputs.

    Attributes:
        name: as the model names it.
        shape: of the answer to one image, without the batch; () where it is one number.
    """

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What vetting found out about a model, beside its compiled form.

    Attributes:
        sha256: all 64 hexadecimal digits, of the file's bytes.
        engine: what executes the compiled form.
        engine_reason: why this engine, in a few words for the `accepted` event.
        card: how the model wants its images and what its outputs mean; its name is empty in the cache where the
            file's card has none, since the same bytes may lie under several names.
        input_shape: the model's own input shape without the batch, e.g. (28, 28, 1) or (28, 28).
        input_dtype: NumPy's name of the dtype that the model takes.
        outputs: what it answers, in the model's own order; at least one.
        seconds: how long vetting took.
        memory: bytes that vetting took at its peak, beyond what its libraries take.
        notes: what was found out, or had to be assumed, about the images that the model takes; a sentence each.
        input_name: of the model's input, as the model names it.
    """

    sha256: str
    engine: EngineName
    engine_reason: str
    card: Card
    input_shape: tuple[int, ...]
    input_dtype: str
    outputs: tuple[OutputSpec, ...]
    seconds: float
    memory: int = 0
    notes: tuple[str, ...] = ()
    input_name: str = "input"

    @property
    def numbers(self) -> int:
        """How many numbers the answer to one image has."""
        return sum(math.prod(output.shape) for output in self.outputs)

    @property
    def image_bytes(self) -> int:
        """What an image takes as the model takes it; at least one."""
        return max(1, math.prod(self.input_shape) * np.dtype(self.input_dtype).itemsize)

    @property
    def bytes_an_image(self) -> int:
        """What an image and the answer to it take in memory, at most."""
        return self.image_bytes + WIDEST_NUMBER * self.numbers

    def require_values_within(self, most: int) -> None:
        """Refuses a model whose results would tell more numbers than are wanted.

        Raises:
            ModelRejected: `wrong_output`.
        """
        if self.card.task in ("regression", "raw", "multilabel") and self.numbers > most:
            raise ModelRejected(
                ModelFault.WRONG_OUTPUT,
                f"a {self.card.task} of {self.numbers:,} numbers an image, and --max_values allows {most:,}; "
                "say its `task` in its card, or raise the limit",
            )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, as `from_json` takes them."""
        return {"format": FORMAT} | asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Manifest:
        """Reads what `to_json` wrote, or what a stranger says that it did.

        Raises:
            KeyError, TypeError, ValueError: it is none that `to_json` writes.
        """
        if value["format"] != FORMAT:
            raise ValueError("written by another version")
        try:
            return cls._read(value)
        except ModelRejected as rejection:
            raise ValueError(rejection.detail) from rejection

    @classmethod
    def _read(cls, value: dict[str, Any]) -> Manifest:
        card = Card.from_json(value["card"])
        manifest = cls(
            sha256=value["sha256"],
            engine=value["engine"],
            engine_reason=_line(value["engine_reason"]),
            card=card,
            input_shape=_sizes(value["input_shape"]),
            input_dtype=value["input_dtype"],
            outputs=tuple(OutputSpec(str(each["name"]), _sizes(each["shape"])) for each in value["outputs"]),
            seconds=number(value["seconds"], "seconds", 0.0),
            memory=whole(value["memory"], "memory", 0, _MOST_BYTES),
            notes=tuple(_line(each) for each in value["notes"]),
            input_name=_line(value["input_name"]),
        )
        if manifest.engine not in get_args(EngineName) or not re.fullmatch(r"[0-9a-f]{64}", manifest.sha256):
            raise ValueError("no engine, or no digest")
        spec = card.input
        if (
            manifest.input_dtype not in INPUT_DTYPES
            or math.prod(manifest.input_shape) != spec.height * spec.width * spec.channels
        ):
            raise ValueError("its input is none that its card's images fill")
        if not manifest.outputs or manifest.numbers > MOST_NUMBERS:
            raise ValueError("no outputs, or more than can be")
        return manifest


def _line(value: Any) -> str:
    return printable(str(value))[:_LONGEST_TEXT]


def _sizes(value: Any) -> tuple[int, ...]:
    return tuple(whole(each, "shape", 0, MOST_NUMBERS) for each in value)


@dataclass(frozen=True, slots=True)
class Artefact:
    """A compiled model: `folder` holds its manifest and what its engine loads."""

    folder: Path
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Vetted:
    """A model that may be served.

    Attributes:
        reference: its exact bytes.
        artefact: its compiled form.
        signed_by: who signed it; "" where nobody asked.
    """

    reference: ModelReference
    artefact: Artefact
    signed_by: str = ""

    @property
    def name(self) -> str:
        """The card's name, else the file name without its extension."""
        return self.artefact.manifest.card.name
