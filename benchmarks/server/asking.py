"""What clients ask, as bytes of the Open Inference protocol, and what the answers' bytes say."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from serving.messages.pool import message

METHOD = "/inference.GRPCInferenceService/ModelInfer"
_REQUEST = message("inference.ModelInferRequest")
_RESPONSE = message("inference.ModelInferResponse")


@dataclass(frozen=True, slots=True)
class Asked:
    """What one server is asked, in turn.

    Attributes:
        model: by the name that the server gives it.
        name: of the input.
        paths: a file a request: an encoded image, or of a tensor the `.npy`, float32 (height, width, channels).
        image_shape: of the input that holds one encoded image, by the server's own rules; of no matter to tensors.
    """

    model: str
    name: str
    paths: Sequence[str]
    image_shape: tuple[int, ...] = (1,)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered to one image.

    Attributes:
        class_index: of the largest score.
        score: that score.
        model_id: who answered; "" where the server does not say.
    """

    class_index: int
    score: float
    model_id: str


def request_bytes(asked: Asked) -> list[bytes]:
    """Whole requests, one a path."""
    return [_request(asked, Path(path)) for path in asked.paths]


def read_answer(response: bytes) -> Answer:
    """What a response says of its one image.

    Raises:
        ValueError: it holds no scores of one image, or is no response at all.
    """
    try:
        found = _RESPONSE.FromString(response)
    except Exception as error:  # what protobuf raises is its own
        raise ValueError(f"not a response: {error}") from error
    numbers = {output.name: number for number, output in enumerate(found.outputs)}
    if "scores" not in numbers:
        raise ValueError(f"a response without scores: {sorted(numbers)}")
    scores = _values(found, numbers["scores"])
    best = int(np.argmax(scores))
    return Answer(best, float(scores[best]), _text(found, numbers["model_id"]) if "model_id" in numbers else "")


def _request(asked: Asked, path: Path) -> bytes:
    request = _REQUEST(model_name=asked.model)
    given = request.inputs.add(name=asked.name)
    if path.suffix == ".npy":
        tensor = np.load(path)
        given.datatype = "FP32"
        given.shape.extend((1, *tensor.shape))
        request.raw_input_contents.append(tensor.astype("<f4").tobytes())
    else:
        encoded = path.read_bytes()
        given.datatype = "BYTES"
        given.shape.extend(asked.image_shape)
        request.raw_input_contents.append(struct.pack("<I", len(encoded)) + encoded)
    return bytes(request.SerializeToString())


def _values(response: Any, number: int) -> Any:
    if response.raw_output_contents:
        return np.frombuffer(response.raw_output_contents[number], "<f4")
    return np.asarray(response.outputs[number].contents.fp32_contents, np.float32)


def _text(response: Any, number: int) -> str:
    if response.raw_output_contents:
        return bytes(response.raw_output_contents[number][4:]).decode()
    return bytes(response.outputs[number].contents.bytes_contents[0]).decode()
