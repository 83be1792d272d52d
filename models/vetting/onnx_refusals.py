"""What ONNX Runtime says of a file that it does not take, in words that help. Runs in the vetting child."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from models.errors import ModelFault, ModelRejected, one_line

ONE_FILE = (
    "takes its weights from another file; a model must be one file: torch.onnx.export(…, external_data=False), or "
    "onnx.save_model(onnx.load(PATH), NEW_PATH, save_as_external_data=False)"
)
_ABOUT_ITSELF = re.compile(
    r"^\[ONNXRuntimeError\] : \d+ : \w+ : |^Load model from .*? failed:|^/\S+:\d+ .*?\) (?=[A-Z])"
)
"""A status code, the path of the copy that is vetted, the place in ONNX Runtime's own source."""
_REMEDIES = (
    (("bfloat16", "Could not find an implementation"), "export it in float32, with standard operators"),
    (("IR version", "opset version"), "export it for an older opset, with an older `onnx`"),
    (("not a registered", "No Op registered", "opset"), "export it with standard operators"),
)
"""What is to be done about an error that has one of these words: the first row that fits."""


def require_tensors(outputs: Iterable[Any]) -> None:
    """Refuses a model that answers with lists or maps.

    Args:
        outputs: as a session of ONNX Runtime describes them.

    Raises:
        ModelRejected: `wrong_output`.
    """
    for output in outputs:
        if not output.type.startswith("tensor("):
            raise ModelRejected(
                ModelFault.WRONG_OUTPUT,
                f"its output {one_line(output.name, 60)} is {one_line(output.type, 60)}; let it give numbers alone "
                "(skl2onnx: options={'zipmap': False})",
            )


def as_rejection(error: Exception) -> ModelRejected:
    """A rejection that says what ONNX Runtime found, without what it says of itself.

    Args:
        error: it has a class of its own for each status code, and tells all of them in one text.
    """
    text = plain_text(error)
    for words, remedy in _REMEDIES:
        if any(word in text for word in words):
            return ModelRejected(ModelFault.UNSUPPORTED_LAYER, f"ONNX Runtime cannot run it: {text}; {remedy}")
    return ModelRejected(ModelFault.NOT_A_MODEL, f"ONNX Runtime cannot load it: {text}; export it again")


def plain_text(error: Exception) -> str:
    """What ONNX Runtime found, as one line."""
    text = " ".join(str(error).split())
    while (rest := _ABOUT_ITSELF.sub("", text)) != text:
        text = rest
    return one_line(text)
