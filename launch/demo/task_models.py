"""Two small models with cards: one tells sky, leaves and walls apart by their colour, the other finds round flowers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEIGHT, WIDTH = 192, 288
"""Pixels of both models' input: the proportions of a photograph."""
COLOURS = {
    "sky": ((213, 226, 240), (226, 230, 232), (190, 205, 215)),
    "walls": ((124, 62, 48), (176, 112, 64), (70, 40, 40)),
    "leaves": ((52, 62, 28), (96, 108, 60), (24, 28, 14)),
}
"""RGB, 0 to 255: what each class looks like, in a few shades."""
DIAMETERS = (84, 116)
"""Pixels of a flower."""
STRIDE = 4
_BLUR = 5
_STEEP = 12.0
_ENOUGH = 0.3
"""How much more of a disc than of its ring is orange, at least."""
_OPSET, _IR_VERSION = 17, 9


def save_mask_model(path: Path) -> Path:
    """A segmentation: each pixel is of the class that has the nearest shade, in a picture that is blurred a little."""
    from onnx import helper

    shades = np.array([shade for each in COLOURS.values() for shade in each], np.float32) / 255
    box = np.zeros((3, 3, _BLUR, _BLUR), np.float32)
    box[range(3), range(3)] = 1 / _BLUR**2
    border = _BLUR // 2
    nodes = [
        helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Pad", ["planes", "borders"], ["wide"], mode="edge"),
        helper.make_node("Conv", ["wide", "box"], ["blurred"]),
        # The nearer, the greater: -|x - c|^2 without |x|^2, which is the same for all.
        helper.make_node("Conv", ["blurred", "towards", "away"], ["near"]),
        helper.make_node("Reshape", ["near", "by_class"], ["shades"]),
        helper.make_node("ReduceMax", ["shades"], ["classes"], axes=[2], keepdims=0),
        helper.make_node("Mul", ["classes", "sharpness"], ["sharp"]),
        helper.make_node("Softmax", ["sharp"], ["mask"], axis=1),
    ]
    constants = {
        "box": box,
        "borders": np.array([0, 0, border, border] * 2, np.int64),
        "towards": (2 * shades)[:, :, None, None],
        "away": -(shades**2).sum(axis=1),
        "by_class": np.array([0, len(COLOURS), -1, HEIGHT, WIDTH], np.int64),
        "sharpness": np.array(20, np.float32),
    }
    return _save(path, nodes, constants, {"mask": ["n", len(COLOURS), HEIGHT, WIDTH]}, {"labels": list(COLOURS)})


def save_box_model(path: Path) -> Path:
    """A detection: a disc of each size is slid over what is orange; it answers every place, and how well it fits."""
    from onnx import helper

    border = max(DIAMETERS)
    nodes = [
        helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "red_not_blue", "not_grey"], ["redness"]),
        helper.make_node("Sigmoid", ["redness"], ["orange"]),
        helper.make_node("Conv", ["orange", "discs", "needed"], ["fit"], pads=[border] * 4, strides=[STRIDE] * 2),
        helper.make_node("Reshape", ["fit", "in_a_row"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["scores"]),
        helper.make_node("Shape", ["image"], ["images"], start=0, end=1),
        helper.make_node("Concat", ["images", "box_shape"], ["shape"], axis=0),
        helper.make_node("Expand", ["places", "shape"], ["boxes"]),
    ]
    discs, places = _discs(border), _places()
    constants = {
        "red_not_blue": np.array([30, 0, -30], np.float32).reshape(1, 3, 1, 1),
        "not_grey": np.array([-9], np.float32),
        "discs": _STEEP * discs,
        "needed": np.full(len(discs), -_STEEP * _ENOUGH, np.float32),
        "in_a_row": np.array([0, -1], np.int64),
        "box_shape": np.array(places.shape[1:], np.int64),
        "places": places,
    }
    outputs: dict[str, list[int | str]] = {"boxes": ["n", *places.shape[1:]], "scores": ["n", places.shape[1]]}
    return _save(path, nodes, constants, outputs, {"labels": ["flower"], "detection": {"iou_threshold": 0.2}})


def _discs(border: int) -> NDArray[np.float32]:
    """Of each diameter a kernel: its answer is how much of the disc is orange, less how much of a ring around it."""
    side = 2 * border + 1
    rows, columns = np.mgrid[-border : border + 1, -border : border + 1]
    away = np.hypot(rows, columns)
    kernels = np.zeros((len(DIAMETERS), 1, side, side), np.float32)
    for kernel, diameter in zip(kernels, DIAMETERS, strict=True):
        disc, ring = away <= diameter / 2, (away > diameter * 0.55) & (away <= diameter * 0.8)
        kernel[0] = disc / disc.sum() - ring / ring.sum()
    return kernels


def _places() -> NDArray[np.float32]:
    """The box of each disc at each place, shape (1, n, 4): x_min, y_min, x_max, y_max as shares."""
    rows, columns = np.mgrid[0:HEIGHT:STRIDE, 0:WIDTH:STRIDE]
    boxes = []
    for diameter in DIAMETERS:
        low = np.stack([columns - diameter / 2, rows - diameter / 2], axis=-1)
        boxes.append(np.concatenate([low, low + diameter], axis=-1).reshape(-1, 4))
    return (np.concatenate(boxes)[None] / (WIDTH, HEIGHT, WIDTH, HEIGHT)).astype(np.float32)


def _save(
    path: Path,
    nodes: list[Any],
    constants: dict[str, NDArray[Any]],
    outputs: dict[str, list[int | str]],
    card: dict[str, Any],
) -> Path:
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", HEIGHT, WIDTH, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
    helper.set_model_props(model, {"model_card": json.dumps({"input": {"scale": 1 / 255}} | card)})
    path.write_bytes(model.SerializeToString())
    return path
