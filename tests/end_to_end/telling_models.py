"""Small real models whose every answer tells which of them gave it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.reference import ModelReference, Statement, sha256_of

SIDE = 8


def telling_model(name: str) -> bytes:
    """An ONNX model of 8x8 RGB images that labels whatever it sees with `name`."""
    weights = np.full((3, 2), 0.01, np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["image", "axes"], ["colour"], keepdims=0),
            helper.make_node("Gemm", ["colour", "weights", "bias"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["scores"], axis=-1),
        ],
        name,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 2])],
        [
            numpy_helper.from_array(np.array([1, 2], np.int64), "axes"),
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array([5, 0], np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {"model_card": json.dumps({"name": name, "labels": [name, "something else"]})})
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def drop(folder: Path, name: str, file_name: str | None = None) -> str:
    """Puts `telling_model(name)` into a folder, whole at once; answers the id that its results must bear."""
    data = telling_model(name)
    path = folder / (file_name or f"{name}.onnx")
    hidden = folder / f".{path.name}.part"
    hidden.write_bytes(data)
    hidden.rename(path)
    os.utime(path)
    return f"{path}@sha256:{digest(data)}"


def stated(world: Path, *names: str) -> tuple[dict[str, str], list[Statement]]:
    """Drops models into `world/models`; answers their ids by name, and a statement of each, later ones newer."""
    ids = {name: drop(world / "models", name) for name in names}
    paths = [ids[name].partition("@")[0] for name in names]
    references = [ModelReference(path, sha256_of(Path(path))) for path in paths]
    return ids, [Statement(reference, at) for at, reference in enumerate(references, start=1)]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def untrue(results: Iterable[dict[str, Any]], ids: dict[str, str]) -> list[dict[str, Any]]:
    """Results whose tag does not name the model that gave them; `ids` is model name → model id."""
    return [
        result
        for result in results
        if ids.get(result["label"]) != result["model_id"] or result["model_name"] != result["label"]
    ]
