"""Whatever a model answers and its card says: it is refused with a reason, or each of its answers is a result."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import event, given, settings
from hypothesis import strategies as st

from models.artefacts import Manifest, OutputSpec
from models.card import Card, InputSpec, read_card
from models.detection_card import KNOWN_ANCHORS
from models.errors import ModelRejected
from models.images.decoding import Raster
from models.tasks import interpret
from models.tasks.probed import ProbedOutput
from models.tasks.reading import read_off

SIDES = st.sampled_from([1, 1, 2, 3, 4, 5, 6, 7, 8, 16])
SHAPES = st.lists(SIDES, max_size=4).map(tuple) | st.sampled_from(
    [(8, 8), (8, 8, 3), (3, 8, 8), (4, 4, 5), (10, 4), (10,), (10, 3), (1,), (3,), (10, 6), (7, 10), (10, 7), (4,)]
)
NAMES = ["boxes", "scores", "classes", "count", "detection_boxes", "pred_boxes", "logits", "label", "output0", "a", "b"]
ENDINGS = st.sampled_from([None, "Softmax", "Sigmoid", "BiasAdd", "ArgMax", "Relu", "Concat"])
OUTPUT = st.sampled_from([*NAMES, 0, 1, 2])
SPECS = st.builds(
    InputSpec, st.sampled_from([8, 16]), st.sampled_from([8, 16]), fit=st.sampled_from(["stretch", "pad"])
)
DETECTIONS = st.fixed_dictionaries(
    {},
    optional={
        "boxes": OUTPUT | st.lists(OUTPUT, max_size=2),
        "scores": OUTPUT | st.lists(OUTPUT, max_size=2),
        "classes": OUTPUT,
        "count": OUTPUT,
        "order": st.sampled_from(["xyxy", "cxcywh"]),
        "units": st.sampled_from(["shares", "pixels"]),
        "objectness": st.booleans(),
        "background": st.none() | st.integers(0, 4),
        "first_label": st.integers(0, 2),
        "iou_threshold": st.none() | st.floats(0, 1),
        "max_detections": st.integers(1, 1000),
        "anchors": st.sampled_from([*KNOWN_ANCHORS, {"sizes": [[4], [8, 9]], "ratios": [[], [2]], "steps": [4, 8]}]),
    },
)
TASKS = ["classification", "binary", "multilabel", "segmentation", "detection", "regression", "raw"]
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "labels": st.integers(0, 6).map(lambda number: [str(label) for label in range(number)]),
    "activation": st.sampled_from(["none", "softmax", "sigmoid"]),
    "threshold": st.floats(0, 1),
    "output": OUTPUT,
}
CARDS = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"task": st.sampled_from(TASKS)}),
    st.fixed_dictionaries({"task": st.just("detection")}, optional={"detection": DETECTIONS, **FIELDS}),
    st.fixed_dictionaries({}, optional={"task": st.sampled_from(TASKS), **FIELDS}),
)
BOXES = st.integers(1, 9).flatmap(
    lambda number: st.lists(
        st.sampled_from([(number, 4), (number,), (number, 3), (number, 1), (1,), (4, number), (number, 6)]),
        min_size=1,
        max_size=4,
    )
)


@st.composite
def outputs(draw: st.DrawFn) -> list[ProbedOutput]:
    """Of a model, for three images."""
    found = []
    chance = np.random.default_rng(draw(st.integers(0, 1000)))
    shapes = draw(st.lists(SHAPES, min_size=1, max_size=1) | BOXES | st.lists(SHAPES, min_size=2, max_size=4))
    for name, shape in zip(draw(st.permutations(NAMES)), shapes, strict=False):
        values = chance.normal(0, draw(st.sampled_from([0.1, 1, 30])), (3, *shape))
        kind = draw(st.sampled_from(["logits", "shares", "shares", "indices", "flags"]))
        if kind in ("shares", "indices"):
            values = np.abs(values) / (np.abs(values).max() if kind == "shares" else 1)
        dtype = {"indices": np.int64, "flags": np.bool_}.get(kind, np.float32)
        found.append(ProbedOutput(name, values.astype(dtype), draw(ENDINGS)))
    return found


@given(outputs(), CARDS, SPECS)
@settings(deadline=None, max_examples=600)
def test_an_accepted_model_answers_every_image_with_a_result(
    probed: list[ProbedOutput], written: dict[str, Any], spec: InputSpec
) -> None:
    draft = read_card(written, Card("m", "", (), "raw", spec))
    try:
        card = read_off(probed, draft, written).card
    except ModelRejected as rejection:
        event(str(rejection.fault))
        assert rejection.detail.isprintable()
        return
    event(card.task)
    specs = tuple(OutputSpec(each.name, each.shape) for each in probed)
    manifest = Manifest("0" * 64, "onnx", "", card, (spec.height, spec.width, spec.channels), "float32", specs, 0.0)
    assert Manifest.from_json(json.loads(json.dumps(manifest.to_json()))) == manifest
    assert read_card(card.to_json(), replace(card, task="raw", labels=(), detection=None)) == card
    for row in range(3):
        answer = interpret(tuple(each.values[row] for each in probed), manifest, Raster(np.zeros((9, 5, 3), np.uint8)))
        json.dumps(answer.to_json(), allow_nan=False)
