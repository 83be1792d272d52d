"""Classifiers as scikit-learn's exporters write them are served by their scores, with their own labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from models.answering import answers
from models.card import Card
from models.engines.loading import load_engine
from models.errors import ImageError, ModelFault
from models.images.decoding import Raster
from models.live import LiveModel
from models.vetting import Vetter
from tests.models.rejections import rejection

CARD = '{"input": {"height": 4, "width": 4, "channels": 1}}'
WEIGHTS = np.random.default_rng(1).normal(0, 1, (3, 16)).astype(np.float32)
PIXELS = np.random.default_rng(2).integers(0, 256, (5, 4, 4, 1), np.uint8).repeat(3, axis=-1)


def classifier(path: Path, labels: list[Any], *, maps: bool, only_labels: bool = False) -> Path:
    """A logistic regression of 16 pixels, as skl2onnx writes it: a label, and probabilities or a list of maps."""
    text = isinstance(labels[0], str)
    named = {"classlabels_strings" if text else "classlabels_ints": labels}
    label_type = TensorProto.STRING if text else TensorProto.INT64
    nodes = [
        helper.make_node(
            "LinearClassifier",
            ["float_input"],
            ["label", "scores"],
            domain="ai.onnx.ml",
            coefficients=WEIGHTS.ravel().tolist(),
            intercepts=[0.0, 0.0, 0.0],
            multi_class=1,
            post_transform="SOFTMAX",
            **named,
        ),
        helper.make_node("Normalizer", ["scores"], ["probabilities"], domain="ai.onnx.ml", norm="L1"),
    ]
    outputs = [helper.make_tensor_value_info("label", label_type, [None])]
    if maps:
        of_maps = {f"classlabels_{'strings' if text else 'int64s'}": labels}
        nodes += [helper.make_node("ZipMap", ["probabilities"], ["maps"], domain="ai.onnx.ml", **of_maps)]
        kind = helper.make_map_type_proto(label_type, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
        outputs += [helper.make_value_info("maps", helper.make_sequence_type_proto(kind))]
    elif not only_labels:
        outputs += [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 3])]
    image = helper.make_tensor_value_info("float_input", TensorProto.FLOAT, [None, 16])
    graph = helper.make_graph(nodes, "classifier", [image], outputs)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    helper.set_model_props(model, {"model_card": CARD})
    path.write_bytes(model.SerializeToString())
    return path


def served(path: Path, vetter: Vetter) -> tuple[Card, list[dict[str, Any]]]:
    vetted = vetter.vet(str(path))
    live = LiveModel(vetted.reference, vetted.artefact.manifest, load_engine(vetted.artefact, 1))
    told = [answer for answer in answers(live, list(map(Raster, PIXELS))) if not isinstance(answer, ImageError)]
    return vetted.artefact.manifest.card, [answer.to_json() for answer in told]


def probabilities() -> np.ndarray:
    scores = PIXELS[..., 0].reshape(5, 16).astype(np.float32) / 255 @ WEIGHTS.T
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("maps", [False, True])
@pytest.mark.parametrize(
    ("labels", "told"),
    [(["cat", "dog", "emu"], ("cat", "dog", "emu")), ([0, 1, 2], ()), ([3, 5, 8], ("3", "5", "8"))],
)
def test_a_classifier_is_told_by_its_probabilities(
    labels: list[Any], told: tuple[str, ...], maps: bool, tmp_path: Path, vetter: Vetter
) -> None:
    card, results = served(classifier(tmp_path / "m.onnx", labels, maps=maps), vetter)
    assert (card.task, card.activation, card.labels) == ("classification", "none", told)
    for result, row in zip(results, probabilities(), strict=True):
        scores = {item["class_index"]: item["score"] for item in result["top"]}
        assert scores == pytest.approx(dict(enumerate(row)), abs=1e-4)
        assert result["label"] == str(labels[int(row.argmax())])


def test_labels_in_the_card_take_the_place_of_the_models_own(tmp_path: Path, vetter: Vetter) -> None:
    path = classifier(tmp_path / "m.onnx", ["a", "b", "c"], maps=True)
    model = onnx.load_model(path)
    helper.set_model_props(model, {"model_card": CARD[:-1] + ', "labels": ["x", "y", "z"]}'})
    path.write_bytes(model.SerializeToString())
    assert served(path, vetter)[0].labels == ("x", "y", "z")


def test_a_model_that_answers_nothing_but_text_is_rejected(tmp_path: Path, vetter: Vetter) -> None:
    path = classifier(tmp_path / "m.onnx", ["a", "b", "c"], maps=False, only_labels=True)
    assert rejection(lambda: vetter.vet(str(path))).fault is ModelFault.WRONG_OUTPUT
