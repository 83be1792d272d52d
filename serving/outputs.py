"""The outputs that every protocol has, from a model's own numbers: by name, a row for each image."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.artefacts import Manifest
from models.card import Task
from models.engines.engine import Outputs
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


def interpreted(row: Outputs, manifest: Manifest, image: Raster | None) -> Prediction:
    """What a model's numbers say of one image.

    Args:
        row: a row of each of its outputs.
        manifest: of the model.
        image: what it was given; None where a client made the model's input itself, which stands for itself then.

    Raises:
        ImageError: the answer is none, see `interpret`.
    """
    spec = manifest.card.input
    as_it_is = Raster(np.broadcast_to(np.uint8(0), (spec.height, spec.width, 3)))
    return interpret(row, manifest, image or as_it_is)


def ragged(manifest: Manifest) -> frozenset[str]:
    """The outputs of a model's task that are filled up, as answers to images differ in how many entries they have."""
    return _RAGGED.get(manifest.card.task, frozenset())


def named_outputs(
    model: LiveModel, rows: Sequence[Outputs], images: Sequence[Raster | None], wanted: Collection[str]
) -> Named:
    """The outputs of one request.

    Args:
        model: that answered.
        rows: what it gave for each image: a row of each of its outputs.
        images: what it was given; None where a client made the model's input itself.
        wanted: names, of the task's outputs, of the model's own, `MODEL_NAME`, `CLASS_LABELS` or `EVERYTHING`; none
            for all that the task has.

    Raises:
        ImageError: an answer is none, see `interpret`.
        Refused: an output is wanted that there is not.
    """
    manifest = model.manifest
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
        outputs = _TASKS[manifest.card.task].answers(rows, manifest, images)
    for name in wanted:
        if name in own and name not in theirs and name not in more:
            outputs[name] = np.stack([finite(row[own[name]]).astype(np.float32) for row in rows])
    outputs |= more
    outputs[MODEL_ID] = texts([model.reference.model_id] * len(rows))
    if named:
        return {name: values for name, values in outputs.items() if name in named or name == MODEL_ID}
    return outputs


def texts(values: Sequence[str | bytes]) -> NDArray[Any]:
    """Texts, or bytes, as an array, shape (n,)."""
    return np.array([*values, None], object)[:-1]


@dataclass(frozen=True, slots=True)
class _Told:
    """How a task's answers are told."""

    fields: Callable[[Manifest], list[OutputField]]
    answers: Callable[[Sequence[Outputs], Manifest, Sequence[Raster | None]], Named]


def _class_scores(rows: Sequence[Outputs], manifest: Manifest) -> NDArray[np.float64]:
    scores = np.stack([finite(answer_of(row, manifest)).reshape(-1) for row in rows])
    return probabilities(scores, manifest.card.activation)


def _classified(rows: Sequence[Outputs], manifest: Manifest, images: Sequence[Raster | None]) -> Named:
    scores = _class_scores(rows, manifest)
    return _chosen(scores, scores.argmax(axis=1), manifest)


def _decided(rows: Sequence[Outputs], manifest: Manifest, images: Sequence[Raster | None]) -> Named:
    second = _class_scores(rows, manifest)[:, :1]
    return _chosen(np.hstack([1 - second, second]), (second[:, 0] >= manifest.card.threshold).astype(int), manifest)


def _chosen(scores: NDArray[np.float64], classes: NDArray[Any], manifest: Manifest) -> Named:
    return {
        "scores": scores.astype(np.float32),
        "classes": classes.astype(np.int64),
        "labels": texts([manifest.card.label(index) for index in classes.tolist()]),
    }


def _labelled(rows: Sequence[Outputs], manifest: Manifest, images: Sequence[Raster | None]) -> Named:
    answers = _interpreted(rows, manifest, images, Labelled)
    return {
        "scores": _class_scores(rows, manifest).astype(np.float32),
        **_ragged([[(each.class_index, each.label) for each in answer.labels] for answer in answers]),
    }


def _masked(rows: Sequence[Outputs], manifest: Manifest, images: Sequence[Raster | None]) -> Named:
    answers = _interpreted(rows, manifest, images, Mask)
    return {
        "mask_bytes": texts([answer.png for answer in answers]),
        "shares": _padded([[each.share for each in answer.shares] for answer in answers], np.float32),
        **_ragged([[(each.class_index, each.label) for each in answer.shares] for answer in answers]),
    }


def _detected(rows: Sequence[Outputs], manifest: Manifest, images: Sequence[Raster | None]) -> Named:
    answers = [answer.detections for answer in _interpreted(rows, manifest, images, Detections)]
    boxes = np.zeros((len(answers), max(map(len, answers)), 4), np.float32)
    for row, found in enumerate(answers):
        if found:
            boxes[row, : len(found)] = [each.box for each in found]
    return {
        "boxes": boxes,
        "scores": _padded([[each.found.score for each in found] for found in answers], np.float32),
        **_ragged([[(each.found.class_index, each.found.label) for each in found] for found in answers]),
    }


def _plain(rows: Sequence[Outputs], manifest: Manifest, images: Sequence[Raster | None]) -> Named:
    return {
        spec.name: np.stack([finite(row[index]).astype(np.float32) for row in rows]).reshape(len(rows), *spec.shape)
        for index, spec in enumerate(manifest.outputs)
    }


def _interpreted(
    rows: Sequence[Outputs], manifest: Manifest, images: Sequence[Raster | None], kind: type[Any]
) -> list[Any]:
    answers = [interpreted(row, manifest, image) for row, image in zip(rows, images, strict=True)]
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
