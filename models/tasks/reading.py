"""The task of a model, read off its outputs where its card does not say it.

What the last operation of the graph says decides; what numbers were on a few probe images only where that is silent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from models.card import Activation, Card, Task
from models.errors import ModelFault, ModelRejected
from models.tasks.probed import ProbedOutput, by_name, told
from models.tasks.reading_detection import find_detection, read_detection_off
from models.tasks.segmentation import MOST_CLASSES, pixel_sides
from models.tasks.training import Aim, Loss

_SAY_ANOTHER = "if it is not, say its `task` in its card"


class Reading(NamedTuple):
    """What was found out about a model's outputs.

    Attributes:
        card: with all that its task needs.
        notes: what was read off and what had to be assumed, a sentence each.
    """

    card: Card
    notes: tuple[str, ...] = ()


def read_off(
    outputs: Sequence[ProbedOutput], draft: Card, written: Mapping[str, Any], loss: Loss | None = None
) -> Reading:
    """Completes a card by what the outputs tell, and holds what it says against them.

    Args:
        outputs: in the model's own order.
        draft: the card as written, completed by what is known of the input; what it says of the outputs counts only
            where it is written.
        written: the card's own fields.
        loss: that the model was trained with, where that is known.

    Raises:
        ModelRejected: `wrong_output`, `labels_mismatch` or `bad_card`.
    """
    task, why = (draft.task, "") if "task" in written else _task(outputs, draft, written, loss)
    card = replace(draft, task=task)
    if task == "detection":
        card = card if "labels" in written else replace(card, labels=())
        card, notes = read_detection_off(outputs, card, written)
        return Reading(card, (why, *notes) if why else notes)
    if written.get("detection") is not None:
        raise ModelRejected(
            ModelFault.BAD_CARD, f"`detection` says nothing of a {task}; say `task` detection, or leave it out"
        )
    if task in ("regression", "raw"):
        return _numbers(card if "labels" in written else replace(card, labels=()), why)
    output = _the_output(outputs, card)
    card = replace(card, output=output.name if len(outputs) > 1 else "")
    activation, how = _activation(output, card, written)
    card = replace(card, activation=activation)
    if "labels" not in written and _classes(output, card) != len(card.labels):
        card = replace(card, labels=())
    _check_labels(output, card)
    if len(outputs) > 1 and "output" not in written:
        how = (*how, f"of its {len(outputs)} outputs it is told by {output}; the card's `output` may name another")
    return Reading(card, (why, *how) if why else how)


def _numbers(card: Card, why: str) -> Reading:
    if card.activation != "none":
        raise ModelRejected(
            ModelFault.BAD_CARD,
            f"`activation` {card.activation} says nothing of a {card.task}, whose numbers stay as they are",
        )
    return Reading(replace(card, output=""), (why,) if why else ())


def _task(
    outputs: Sequence[ProbedOutput], card: Card, written: Mapping[str, Any], loss: Loss | None
) -> tuple[Task, str]:
    """The task that outputs tell, and why."""
    if written.get("detection") is not None:
        return "detection", ""
    if card.output:
        return _task_of_one(by_name(card.output, outputs, "output"), card)
    if len(outputs) == 1:
        return _task_trained_for(outputs[0], card, loss) or _task_of_one(outputs[0], card)
    if found := find_detection(outputs, card.input):
        return "detection", f"it is a detection: {found}; {_SAY_ANOTHER}"
    rows = [output for output in outputs if output.is_float and len(output.sides) == 1]
    others = [output for output in outputs if not (output.is_whole and not output.sides)]
    if len(rows) == 1 and others == rows:
        return "classification", "beside a row of class scores it answers class indices: a classification"
    return "raw", f"its {len(outputs)} outputs tell no task, and are told as they are; say one in its card"


def _task_trained_for(output: ProbedOutput, card: Card, loss: Loss | None) -> tuple[Task, str] | None:
    """The task that the loss tells of the one output, where neither its last operation nor the card does."""
    if loss is None or card.activation != "none" or (card.labels and loss.aim == "numbers") or not output.is_float:
        return None
    tasks: dict[Aim, Task] = {}
    if len(output.sides) == 1 and (output.ending == "Softmax" or output.is_distribution()):
        return None
    if output.ending in ("Softmax", "Sigmoid"):
        tasks = {"one of them": "classification"} if len(output.sides) == 1 else {}
    elif not output.sides:
        tasks = {"yes or no": "binary", "numbers": "regression"}
    elif len(output.sides) == 1:
        tasks = {"yes or no": "multilabel", "one of them": "classification", "numbers": "regression"}
    elif pixel_sides(output.shape, card.input) is not None:
        tasks = {"yes or no": "segmentation", "one of them": "segmentation", "numbers": "raw"}
    task = tasks.get(loss.aim)
    return (task, f"{loss}: a {task}; {_SAY_ANOTHER}") if task is not None else None


def _task_of_one(output: ProbedOutput, card: Card) -> tuple[Task, str]:
    match output.sides:
        case ():
            return _task_of_number(output, card)
        case (classes,):
            if output.ending == "Sigmoid" or (card.activation == "sigmoid" and output.ending != "Softmax"):
                return (
                    "multilabel",
                    f"it ends with a sigmoid for each of {classes} classes: a multilabel; {_SAY_ANOTHER}",
                )
            if output.ending == "Softmax" or output.is_distribution():
                return "classification", ""
            if output.are_shares and not output.is_whole:
                return (
                    "multilabel",
                    f"its {classes} scores lie within 0..1 and do not sum to 1: a multilabel; {_SAY_ANOTHER}",
                )
            return "classification", f"its row of {classes} is taken for class scores: a classification; {_SAY_ANOTHER}"
    return _task_of_pixels(output, card)


def _task_of_number(output: ProbedOutput, card: Card) -> tuple[Task, str]:
    if not output.is_float:
        return "raw", ""
    if output.are_shares and output.ending in ("Sigmoid", "Softmax"):
        return "binary", f"it ends with one {output.ending.lower()}: a binary; {_SAY_ANOTHER}"
    if len(card.labels) == 2 or card.activation == "sigmoid":
        return "binary", "its card speaks of two classes, and it answers one number: a binary"
    return "regression", f"nothing says that its one number is a score: a regression; {_SAY_ANOTHER}"


def _task_of_pixels(output: ProbedOutput, card: Card) -> tuple[Task, str]:
    sides = pixel_sides(output.shape, card.input)
    if sides is None:
        return "raw", ""
    height, width, axis = sides
    if axis is None:
        return _task_of_a_plane(output, f"{height}x{width} pixels")
    size, classes = f"{height}x{width} pixels", output.sides[axis]
    if output.ending == "Sigmoid" and classes == card.input.channels:
        return "raw", f"{classes} numbers within 0..1 for each of {size} may be an image, and stay; {_SAY_ANOTHER}"
    if (
        output.ending in ("Softmax", "Sigmoid")
        or (output.is_float and output.is_linear)
        or output.is_distribution(_axis_in_batch(output, axis))
    ):
        return "segmentation", f"it answers scores of {classes} classes for {size}: a segmentation; {_SAY_ANOTHER}"
    return "raw", ""


def _task_of_a_plane(output: ProbedOutput, size: str) -> tuple[Task, str]:
    """Of an output with one number for each pixel."""
    if output.ending == "Sigmoid":
        return "segmentation", f"it ends with a sigmoid for {size}: a segmentation of two classes; {_SAY_ANOTHER}"
    if output.is_whole and output.values.min() >= 0 and output.values.max() < MOST_CLASSES:
        return "segmentation", f"it answers class indices for {size}: a segmentation; {_SAY_ANOTHER}"
    return "raw", ""


def _axis_in_batch(output: ProbedOutput, axis: int) -> int:
    """The axis of the probe's values that is `axis` of the answer to one image without its sides of 1."""
    long = [place for place, side in enumerate(output.shape) if side != 1]
    return long[axis] + 1


def _the_output(outputs: Sequence[ProbedOutput], card: Card) -> ProbedOutput:
    """The output that tells the answer of a task which one output tells.

    Raises:
        ModelRejected: `wrong_output` or `bad_card`.
    """
    among = [by_name(card.output, outputs, "output")] if card.output else list(outputs)
    fitting = [output for output in among if _fits(output, card)]
    if not fitting:
        needed = {
            "classification": "one row of class scores",
            "binary": "one number, the score of the second of two classes",
            "multilabel": "one row of scores, one a class",
            "segmentation": "class scores or class indices for each pixel, in the proportions of its input",
        }[card.task]
        raise ModelRejected(
            ModelFault.WRONG_OUTPUT,
            f"a {card.task} needs {needed}, but it answers {told(among)}; say another `task` in its card",
        )
    return fitting[0]


def _fits(output: ProbedOutput, card: Card) -> bool:
    match card.task:
        case "binary":
            return not output.sides and not output.is_whole
        case "classification":
            return len(output.sides) == 1
        case "multilabel":
            return len(output.sides) <= 1
        case _:
            return pixel_sides(output.shape, card.input) is not None


def _activation(output: ProbedOutput, card: Card, written: Mapping[str, Any]) -> tuple[Activation, tuple[str, ...]]:
    """What makes probabilities of an output's scores, and why."""
    if "activation" in written:
        return card.activation, ()
    pixels = pixel_sides(output.shape, card.input) if card.task == "segmentation" else None
    if pixels is not None and pixels[2] is None and output.is_whole:
        return "none", ()
    axis = -1 if pixels is None or pixels[2] is None else _axis_in_batch(output, pixels[2])
    several = bool(output.sides) if pixels is None else pixels[2] is not None
    if output.ending in ("Softmax", "Sigmoid"):
        return "none", ()
    if several and output.is_distribution(axis):
        return "none", ("its scores sum to 1, and are probabilities",)
    if output.are_shares:
        return "none", (
            "its scores lie within 0..1, and are taken for probabilities; if they are not, say `activation`",
        )
    activation: Activation = "softmax" if several and card.task != "multilabel" else "sigmoid"
    return activation, (
        f"its scores are logits, of which {activation} makes probabilities; if they are not, say `activation`",
    )


def _check_labels(output: ProbedOutput, card: Card) -> None:
    """Refuses labels of another number than the classes.

    Raises:
        ModelRejected: `labels_mismatch`.
    """
    if not card.labels:
        return
    labels, classes = len(card.labels), _classes(output, card)
    if labels != classes:
        things = f"{classes} classes" if card.task == "segmentation" else f"{classes} outputs"
        if card.task == "binary":
            things = "two classes"
        raise ModelRejected(
            ModelFault.LABELS_MISMATCH, f"{labels} labels for {things}; give the card one label for each"
        )


def _classes(output: ProbedOutput, card: Card) -> int:
    if card.task == "binary":
        return 2
    if card.task != "segmentation":
        return output.sides[0] if output.sides else 1
    sides = pixel_sides(output.shape, card.input)
    if sides is not None and sides[2] is not None:
        return output.sides[sides[2]]
    # Of indices only those are known that the probe images had.
    return max(len(card.labels), int(output.values.max()) + 1) if output.is_whole else 2
