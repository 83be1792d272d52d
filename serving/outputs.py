"""The outputs that every protocol has, from a model's own numbers: by name, a row for each image."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.answering import meaning_of
from models.artefacts import Manifest
from models.card import Task
from models.engines.engine import Outputs
from models.errors import ImageError
from models.images.decoding import Raster
from models.live import LiveModel
from models.tasks import Detections, Labelled, Mask, Prediction, answer_of, interpret
from models.tasks.scores import finite, probabilities
from serving.asking import CLASS_LABELS, EVERYTHING, MODEL_ID, MODEL_NAME, Code, Refused

Kind = Literal["float32", "int64", "text", "bytes"]
Named = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class OutputField:
    """One output that may be asked for.

    Attributes:
        name: of it.
        kind: of its values.
        shape: of the answer to one image; -1 where that is not known before.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]


def described(manifest: Manifest) -> list[OutputField]:
    """The outputs that a model's task has, in order, `model_id` last."""
    return [*_TASKS[manifest.card.task].fields(manifest), OutputField(MODEL_ID, "text", ())]


def output_names(manifest: Manifest) -> frozenset[str]:
    """All that may be asked for by its name: of the task, of the model, and what is given to who asks for it."""
    theirs, own = {each.name for each in described(manifest)}, {each.name for each in manifest.outputs}
    labels = {CLASS_LABELS} if manifest.card.task in _SCORES_EACH_CLASS else set()
    return frozenset(theirs | own | labels | {MODEL_NAME})


class Answers:
    """What a model gave for the images of one request, each interpreted once at most; one thread's at a time.

    Args:
        rows: for each image a row of each of the model's outputs.
        manifest: of the model.
        images: what it was given; None where a client made the model's input itself, which stands for itself then.

    Attributes:
        rows: those.
        manifest: that.
    """

    def __init__(self, rows: Sequence[Outputs], manifest: Manifest, images: Sequence[Raster | None]) -> None:
        self.rows = rows
        self.manifest = manifest
        self._images = images
        self._predictions: dict[int, Prediction] = {}

    def prediction(self, index: int) -> Prediction:
        """What the numbers say of one image.

        Raises:
            ImageError: the answer is none, see `interpret`.
        """
        if index not in self._predictions:
            spec = self.manifest.card.input
            as_it_is = Raster(np.broadcast_to(np.uint8(0), (spec.height, spec.width, 3)))
            self._predictions[index] = interpret(self.rows[index], self.manifest, self._images[index] or as_it_is)
        return self._predictions[index]


def ragged(manifest: Manifest) -> frozenset[str]:
    """The outputs of a model's task that are filled up, as answers to images differ in how many entries they have."""
    return _RAGGED.get(manifest.card.task, frozenset())


def named_outputs(model: LiveModel, answers: Answers, wanted: Collection[str]) -> Named:
    """The outputs of one request.

    Args:
        model: that answered.
        answers: what it gave.
        wanted: names, of the task's outputs, of the model's own, `MODEL_NAME`, `CLASS_LABELS` or `EVERYTHING`; none
            for all that the task has.

    Raises:
        ImageError: an answer is none, see `interpret`.
        Refused: an output is wanted that there is not.
    """
    manifest, rows = model.manifest, answers.rows
    theirs = [field.name for field in described(manifest)]
    known = output_names(manifest)
    own = {spec.name: index for index, spec in enumerate(manifest.outputs)}
    more = _on_request(model, len(rows), wanted)
    named = {*wanted, *theirs, *more} - {EVERYTHING} if EVERYTHING in wanted else set(wanted)
    for name in wanted:
        if name in named and name not in known:
            raise Refused(Code.INVALID_ARGUMENT, f"there is no output {name!r}; there is {', '.join(theirs)}"[:300])
    outputs: Named = {}
    if not named or any(name in theirs and name != MODEL_ID for name in named):
        outputs = _TASKS[manifest.card.task].answers(answers)
    for name in wanted:
        if name in own and name not in theirs and name not in more:
            outputs[name] = np.stack([finite(row[own[name]]).astype(np.float32) for row in rows])
    outputs |= more
    outputs[MODEL_ID] = texts([model.reference.model_id] * len(rows))
    if named:
        return {name: values for name, values in outputs.items() if name in named or name == MODEL_ID}
    return outputs


class Fault(NamedTuple):
    """Why a model has no answer to a request.

    Attributes:
        error: of the first row that has none.
        row: which that is.
    """

    error: ImageError
    row: int


def told(
    model: LiveModel, rows: Sequence[Outputs | ImageError], images: Sequence[Raster | None], wanted: Collection[str]
) -> tuple[Named | Refused | Fault, Answers | None]:
    """What a model's numbers come to for one request, and the answers where there is one to each image.

    Args:
        model: that was asked.
        rows: what it gave, or why there is none, for each image.
        images: as of `Answers`.
        wanted: as of `named_outputs`, whose refusal is returned and not raised.
    """
    good: list[Outputs] = []
    for index, row in enumerate(rows):
        if isinstance(row, ImageError):
            return Fault(row, index), None
        good.append(row)
    answers = Answers(good, model.manifest, images)
    found = meaning_of(partial(_named, model, answers, wanted))
    if not isinstance(found, ImageError):
        return found, answers
    by_themselves = (
        meaning_of(partial(_named, model, Answers([row], model.manifest, [image]), wanted))
        for row, image in zip(good, images, strict=True)
    )
    at_fault = next((row for row, each in enumerate(by_themselves) if isinstance(each, ImageError)), 0)
    return Fault(found, at_fault), None


def _named(model: LiveModel, answers: Answers, wanted: Collection[str]) -> Named | Refused:
    try:
        return named_outputs(model, answers, wanted)
    except Refused as refused:
        return Refused(refused.code, refused.detail)  # without its traceback, which would hold on to the model


def texts(values: Sequence[str | bytes]) -> NDArray[Any]:
    """Texts, or bytes, as an array, shape (n,)."""
    return np.array([*values, None], object)[:-1]


@dataclass(frozen=True, slots=True)
class _Told:
    """How a task's answers are told."""

    fields: Callable[[Manifest], list[OutputField]]
    answers: Callable[[Answers], Named]


def _class_scores(given: Answers) -> NDArray[np.float64]:
    scores = np.stack([finite(answer_of(row, given.manifest)).reshape(-1) for row in given.rows])
    return probabilities(scores, given.manifest.card.activation)


def _classified(given: Answers) -> Named:
    scores = _class_scores(given)
    return _chosen(scores, scores.argmax(axis=1), given.manifest)


def _decided(given: Answers) -> Named:
    second = _class_scores(given)[:, :1]
    is_second = second[:, 0] >= given.manifest.card.threshold
    return _chosen(np.hstack([1 - second, second]), is_second.astype(int), given.manifest)


def _chosen(scores: NDArray[np.float64], classes: NDArray[Any], manifest: Manifest) -> Named:
    return {
        "scores": scores.astype(np.float32),
        "classes": classes.astype(np.int64),
        "labels": texts([manifest.card.label(index) for index in classes.tolist()]),
    }


def _labelled(given: Answers) -> Named:
    answers = _interpreted(given, Labelled)
    return {
        "scores": _class_scores(given).astype(np.float32),
        **_ragged([[(each.class_index, each.label) for each in answer.labels] for answer in answers]),
    }


def _masked(given: Answers) -> Named:
    answers = _interpreted(given, Mask)
    return {
        "mask_bytes": texts([answer.png for answer in answers]),
        "shares": _padded([[each.share for each in answer.shares] for answer in answers], np.float32),
        **_ragged([[(each.class_index, each.label) for each in answer.shares] for answer in answers]),
    }


def _detected(given: Answers) -> Named:
    answers = [answer.detections for answer in _interpreted(given, Detections)]
    boxes = np.zeros((len(answers), max(map(len, answers)), 4), np.float32)
    for row, found in enumerate(answers):
        if found:
            boxes[row, : len(found)] = [each.box for each in found]
    return {
        "boxes": boxes,
        "scores": _padded([[each.found.score for each in found] for found in answers], np.float32),
        **_ragged([[(each.found.class_index, each.found.label) for each in found] for found in answers]),
    }


def _plain(given: Answers) -> Named:
    return {
        spec.name: np.stack([finite(row[index]).astype(np.float32) for row in given.rows]).reshape(-1, *spec.shape)
        for index, spec in enumerate(given.manifest.outputs)
    }


def _interpreted(given: Answers, kind: type[Any]) -> list[Any]:
    answers = [given.prediction(index) for index in range(len(given.rows))]
    assert all(isinstance(answer, kind) for answer in answers)
    return answers


def _ragged(found: Sequence[Sequence[tuple[int, str]]]) -> Named:
    """Classes and labels of answers that differ in number: shape (n, most), filled up with -1 and ""."""
    most = max(map(len, found))
    labels = np.full((len(found), most), "", object)
    for row, each in enumerate(found):
        labels[row, : len(each)] = [label for _, label in each]
    return {"classes": _padded([[index for index, _ in each] for each in found], np.int64, -1), "labels": labels}


def _padded(found: Sequence[Sequence[float]], dtype: type[Any], fill: float = 0) -> NDArray[Any]:
    padded = np.full((len(found), max(map(len, found))), fill, dtype)
    for row, each in enumerate(found):
        padded[row, : len(each)] = each
    return padded


def _on_request(model: LiveModel, rows: int, wanted: Collection[str]) -> Named:
    """The outputs that are given to who asks for them, as far as the task has them."""
    manifest = model.manifest
    given: Named = {}
    if MODEL_NAME in wanted or EVERYTHING in wanted:
        given[MODEL_NAME] = texts([model.card.name] * rows)
    if (CLASS_LABELS in wanted or EVERYTHING in wanted) and manifest.card.task in _SCORES_EACH_CLASS:
        labels = texts([manifest.card.label(index) for index in range(_classes(manifest))])
        given[CLASS_LABELS] = np.broadcast_to(labels, (rows, len(labels)))
    return given


def _classes(manifest: Manifest) -> int:
    return 2 if manifest.card.task == "binary" else _width(manifest)


def _fields_of_classes(manifest: Manifest) -> list[OutputField]:
    return [
        OutputField("scores", "float32", (_classes(manifest),)),
        OutputField("classes", "int64", ()),
        OutputField("labels", "text", ()),
    ]


def _width(manifest: Manifest) -> int:
    name = manifest.card.output
    shape = next((spec.shape for spec in manifest.outputs if spec.name == name), manifest.outputs[0].shape)
    return int(np.prod(shape))


def _ragged_fields(*first: OutputField) -> list[OutputField]:
    return [*first, OutputField("classes", "int64", (-1,)), OutputField("labels", "text", (-1,))]


def _fields_of_labels(manifest: Manifest) -> list[OutputField]:
    return _ragged_fields(OutputField("scores", "float32", (_classes(manifest),)))


def _fields_of_masks(manifest: Manifest) -> list[OutputField]:
    return _ragged_fields(OutputField("mask_bytes", "bytes", ()), OutputField("shares", "float32", (-1,)))


def _fields_of_boxes(manifest: Manifest) -> list[OutputField]:
    return _ragged_fields(OutputField("boxes", "float32", (-1, 4)), OutputField("scores", "float32", (-1,)))


def _own_fields(manifest: Manifest) -> list[OutputField]:
    return [OutputField(spec.name, "float32", spec.shape) for spec in manifest.outputs]


_SCORES_EACH_CLASS: frozenset[Task] = frozenset({"classification", "binary", "multilabel"})
_TASKS: dict[Task, _Told] = {
    "classification": _Told(_fields_of_classes, _classified),
    "binary": _Told(_fields_of_classes, _decided),
    "multilabel": _Told(_fields_of_labels, _labelled),
    "segmentation": _Told(_fields_of_masks, _masked),
    "detection": _Told(_fields_of_boxes, _detected),
    "regression": _Told(_own_fields, _plain),
    "raw": _Told(_own_fields, _plain),
}

_RAGGED: dict[Task, frozenset[str]] = {
    "multilabel": frozenset({"classes", "labels"}),
    "segmentation": frozenset({"shares", "classes", "labels"}),
    "detection": frozenset({"boxes", "scores", "classes", "labels"}),
}
