"""Answers of a server as people read them, and as programs do."""

from __future__ import annotations

from collections.abc import Sequence

from models.moments import rfc3339
from models.records import Answer, ImageRequest, Origin, encode, result_record
from models.tasks import ClassScore
from serving.client import Classified, Detected, Measured, MultiLabelled, Predicted, Segmented

_NO_MESSAGE = Origin("", "", {})


def json_line(image: str, answer: Predicted) -> str:
    """An answer as the stream writes its results; what only a message has is empty.

    Args:
        image: its name.
        answer: to it.
    """
    request = ImageRequest(image, _NO_MESSAGE)
    return encode(result_record(request, Answer(answer, answer.model_name, rfc3339()), answer.model_id)).decode()


def parts(answer: Predicted, most: int) -> list[str]:
    """What an answer says, best first, a few words each.

    Args:
        answer: to one image.
        most: parts, where it has more.
    """
    match answer:
        case Classified():
            return _scored(answer.top)[:most]
        case MultiLabelled():
            return _scored(answer.labels)[:most] or ["no label reaches the model's threshold"]
        case Segmented():
            return [f"{each.label} {each.share:.2%}" for each in answer.shares[:most]]
        case Detected():
            found = [(each.found, " ".join(f"{side:.3f}" for side in each.box)) for each in answer.detections[:most]]
            return [f"{each.label} {each.score:.4f} at {box}" for each, box in found] or ["nothing found"]
        case Measured():
            return [_numbers(name, values, most) for name, values in answer.outputs.items()]


def _scored(classes: Sequence[ClassScore]) -> list[str]:
    return [f"{each.label} {each.score:.4f}" for each in classes]


def _numbers(name: str, values: Sequence[float], most: int) -> str:
    left_out = f" and {len(values) - most:,} more" if len(values) > most else ""
    return f"{name} {' '.join(f'{value:.6g}' for value in values[:most])}{left_out}"
