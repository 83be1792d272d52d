"""Models that answer well until an image comes whose first pixel is `TRIGGER`; vetting never shows them one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.artefacts import ONNX_FILE, Artefact, Manifest, OutputSpec, Vetted
from models.card import Card, InputSpec
from models.reference import ModelReference, sha256_of
from tests.model_files import loop_of_sines, save_onnx

SIDE = 8
CLASSES = 3
TRIGGER = 77


class Treachery(NamedTuple):
    """What a model does to an image, once it comes.

    Attributes:
        nodes: that make `scores` of `honest`.
        constants: that they take.
    """

    nodes: list[onnx.NodeProto]
    constants: dict[str, NDArray[np.generic]]


def wider_row() -> Treachery:
    """It answers with twice as many scores."""
    return Treachery([helper.make_node("Concat", ["honest", "honest"], ["scores"], axis=1)], {})


def one_row_more() -> Treachery:
    """It answers with a row more than there are images."""
    nodes = [
        helper.make_node("Slice", ["honest", "zero", "one", "zero"], ["first"]),
        helper.make_node("Concat", ["honest", "first"], ["scores"], axis=0),
    ]
    return Treachery(nodes, {"zero": np.array([0], np.int64), "one": np.array([1], np.int64)})


def endless() -> Treachery:
    """It does not answer."""
    loop, constants = loop_of_sines("honest", "scores")
    return Treachery([loop], constants)


def allocates() -> Treachery:
    """It takes 16 GiB before it answers."""
    nodes = [
        helper.make_node("Unsqueeze", ["honest", "last"], ["deep"]),
        helper.make_node("Expand", ["deep", "wide"], ["huge"]),
        helper.make_node("ReduceMean", ["huge"], ["scores"], axes=[2], keepdims=0),
    ]
    wide = np.array([1, 1, 2**32 // CLASSES], np.int64)
    return Treachery(nodes, {"last": np.array([2], np.int64), "wide": wide})


def crashes() -> Treachery:
    """It divides the least whole number by -1, whose quotient is too great for it: a signal that ends a process."""
    nodes = [
        helper.make_node("Cast", ["honest"], ["zeros"], to=TensorProto.INT32),
        helper.make_node("ReduceMax", ["zeros"], ["zero"], keepdims=0),  # several at once are divided otherwise
        helper.make_node("Add", ["zero", "least"], ["dividend"]),
        helper.make_node("Sub", ["zero", "positive"], ["divisor"]),
        helper.make_node("Div", ["dividend", "divisor"], ["quotient"]),
        helper.make_node("Cast", ["quotient"], ["infinite"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["honest", "infinite"], ["scores"]),
    ]
    return Treachery(nodes, {"least": np.array(-(2**31), np.int32), "positive": np.array(1, np.int32)})


TREACHERIES: dict[str, Callable[[], Treachery]] = {
    each.__name__: each for each in (wider_row, one_row_more, endless, allocates, crashes)
}


def treacherous(path: Path, treachery: Treachery) -> Path:
    """A model of that kind, as ONNX: otherwise its scores are made of its brightness.

    It takes pixels 0..255 as they are.
    """
    branches = {}
    for name, nodes, constants in (
        ("then_branch", treachery.nodes, treachery.constants),
        ("else_branch", [helper.make_node("Identity", ["honest"], ["scores"])], {}),
    ):
        initializers = [numpy_helper.from_array(value, each) for each, value in constants.items()]
        scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, None)
        branches[name] = helper.make_graph(nodes, name, [], [scores], initializers)
    constants = {
        "axes": np.array([1, 2, 3], np.int64),
        "corner": np.array([0, 0, 0], np.int64),
        "corner_end": np.array([1, 1, 1], np.int64),
        "trigger": np.array(TRIGGER, np.float32),
        "most": np.array(255, np.float32),
        "whole": np.array(1, np.float32),
        "row": np.array([-1, 1], np.int64),
    }
    nodes = [
        helper.make_node("Slice", ["image", "corner", "corner_end", "axes"], ["pixels"]),
        helper.make_node("Equal", ["pixels", "trigger"], ["are"]),
        helper.make_node("Cast", ["are"], ["are_numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["are_numbers"], ["any"], keepdims=0),
        helper.make_node("Cast", ["any"], ["triggered"], to=TensorProto.BOOL),
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Reshape", ["mean", "row"], ["means"]),
        helper.make_node("Div", ["means", "most"], ["bright"]),
        helper.make_node("Sub", ["whole", "bright"], ["dark"]),
        helper.make_node("Mul", ["bright", "dark"], ["grey"]),
        helper.make_node("Concat", ["bright", "dark", "grey"], ["numbers"], axis=1),
        helper.make_node("Softmax", ["numbers"], ["honest"], axis=1),
        helper.make_node("If", ["triggered"], ["scores"], **branches),
    ]
    graph = helper.make_graph(
        nodes,
        "treacherous",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", "classes"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, {"model_card": '{"input": {"scale": 1.0}}'})
    path.write_bytes(model.SerializeToString())
    return path


def speechless(path: Path, grey: int) -> Path:
    """A classifier as ONNX that has no number for an answer to images of one brightness, 0 to 255; else class 2.

    It takes pixels as they are.
    """
    constants: dict[str, NDArray[Any]] = {
        "grey": np.array(grey, np.float32),
        "least": np.array(0.25, np.float32),
        "row": np.array([-1, 1], np.int64),
        "kernel": np.array([[1e-3, 2e-3, 3e-3]], np.float32),
        "bias": np.array([0, 0, 5], np.float32),
    }
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Sub", ["mean", "grey"], ["away"]),
        helper.make_node("Mul", ["away", "away"], ["squared"]),
        helper.make_node("Sub", ["squared", "least"], ["further"]),
        helper.make_node("Sqrt", ["further"], ["distance"]),  # none of what is negative
        helper.make_node("Reshape", ["distance", "row"], ["distances"]),
        helper.make_node("Gemm", ["distances", "kernel", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
    ]
    card = {"name": path.stem, "input": {"scale": 1.0}}
    return save_onnx(path, nodes, ["n", SIDE, SIDE, 3], ["n", CLASSES], constants, card=card)


def vetted_treachery(folder: Path, treachery: Treachery) -> Vetted:
    """What vetting would make of such a model, without vetting it; its artefact is `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    sha256 = sha256_of(treacherous(folder / ONNX_FILE, treachery))
    card = Card("treacherous", "", (), "classification", InputSpec(SIDE, SIDE, scale=1.0))
    outputs = (OutputSpec("scores", (CLASSES,)),)
    manifest = Manifest(sha256, "onnx", "", card, (SIDE, SIDE, 3), "float32", outputs, 0.0)
    return Vetted(ModelReference("treacherous.onnx", sha256), Artefact(folder, manifest))
