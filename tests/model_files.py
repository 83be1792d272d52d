"""Model files of every kind that tests need: good, broken and hostile.

ONNX and HDF5 files are made where they are needed, in milliseconds. Those that only Keras can write are made by
`python -m tests.model_files FOLDER`, once for a whole test session, so that the tests' own process need not import it.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.artefacts import ONNX_FILE, Artefact, Manifest, OutputSpec, Vetted
from models.card import Card, InputSpec
from models.reference import ModelReference

NOWHERE = "/nonexistent/secret"


def tiny_classifier(
    path: Path,
    *,
    classes: int = 3,
    favours: int = 1,
    side: int = 8,
    card: dict[str, Any] | str | None = None,
    channels_first: bool = False,
    batch: int | str = "n",
) -> Path:
    """A softmax classifier as ONNX, whose answer to every image is class `favours`."""
    bias = np.zeros(classes, np.float32)
    bias[favours] = 9
    shape = [batch, 3, side, side] if channels_first else [batch, side, side, 3]
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("Gemm", ["flat", "kernel", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"]),
    ]
    kernel = np.full((side * side * 3, classes), 1e-3, np.float32)
    kernel[:, favours] = 2e-3
    return save_onnx(path, nodes, shape, [batch, classes], {"kernel": kernel, "bias": bias}, card=card)


def save_onnx(
    path: Path,
    nodes: list[onnx.NodeProto],
    shape: list[int | str],
    answer_shape: list[int | str],
    constants: dict[str, NDArray[Any]] | None = None,
    *,
    card: dict[str, Any] | str | None = None,
    dtype: int = TensorProto.FLOAT,
    answer_dtype: int = TensorProto.FLOAT,
    domain: str | None = None,
) -> Path:
    """A graph from `image` to `scores`."""
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", dtype, shape)],
        [helper.make_tensor_value_info("scores", answer_dtype, answer_shape)],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    if card is not None:
        helper.set_model_props(model, {"model_card": card if isinstance(card, str) else json.dumps(card)})
    path.write_bytes(model.SerializeToString())
    return path


def newer(path: Path, than: Path) -> Path:
    """A file that is newer than another, whatever the file system's clock says."""
    moment = than.stat().st_mtime + 10
    os.utime(path, (moment, moment))
    return path


def vetted_classifier(folder: Path, *, classes: int = 3, favours: int = 1, side: int = 8, uri: str = "") -> Vetted:
    """What vetting would make of a `tiny_classifier`, without vetting it; its artefact is `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = tiny_classifier(folder / ONNX_FILE, classes=classes, favours=favours, side=side)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    reference = ModelReference(uri or f"m{favours}.onnx", sha256)
    card = Card(reference.file_name, "", (), "classification", InputSpec(side, side))
    manifest = Manifest(sha256, "onnx", "", card, (side, side, 3), "float32", (OutputSpec("scores", (classes,)),), 0.0)
    return Vetted(reference, Artefact(folder, manifest))


def _flat_scores(*nodes: onnx.NodeProto) -> list[onnx.NodeProto]:
    return [helper.make_node("ReduceMean", ["image"], ["flat"], axes=[1, 2], keepdims=0), *nodes]


IMAGE: list[int | str] = ["n", 8, 8, 3]


def regression(path: Path) -> Path:
    """One number an image."""
    return save_onnx(
        path, [helper.make_node("ReduceMean", ["image"], ["s"], axes=[1, 2, 3], keepdims=0), _unsqueeze()], IMAGE,
        ["n", 1], {"one": np.array([1], np.int64)},
    )  # fmt: skip


def _unsqueeze() -> onnx.NodeProto:
    return helper.make_node("Unsqueeze", ["s", "one"], ["scores"])


def raw(path: Path) -> Path:
    """As many numbers as the image has, in its shape."""
    return save_onnx(path, [helper.make_node("Neg", ["image"], ["scores"])], IMAGE, IMAGE)


def nan_output(path: Path) -> Path:
    """Answers 0 / 0."""
    zero = {"zero": np.zeros(1, np.float32)}
    nodes = _flat_scores(
        helper.make_node("Mul", ["flat", "zero"], ["nothing"]),
        helper.make_node("Div", ["nothing", "zero"], ["scores"]),
    )
    return save_onnx(path, nodes, IMAGE, ["n", 3], zero)


def nan_but_for_black(path: Path) -> Path:
    """Answers with the roots of what is negative, unless the image is black."""
    nodes = _flat_scores(helper.make_node("Neg", ["flat"], ["less"]), helper.make_node("Sqrt", ["less"], ["scores"]))
    return save_onnx(path, nodes, IMAGE, ["n", 3])


def endless_output(path: Path) -> Path:
    """Never answers."""
    loop, constants = loop_of_sines("flat", "scores")
    return save_onnx(path, _flat_scores(loop), IMAGE, ["n", 3], constants)


def random_output(path: Path) -> Path:
    """Answers something else each time."""
    return save_onnx(path, _flat_scores(helper.make_node("RandomNormalLike", ["flat"], ["scores"])), IMAGE, ["n", 3])


def loop_of_sines(taken: str, made: str, rounds: int = 2**62) -> tuple[onnx.NodeProto, dict[str, NDArray[Any]]]:
    """A loop from one tensor to another, endless unless `rounds` says otherwise, and the constants that it takes."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["go_on"]), helper.make_node("Sin", ["carried"], ["next"])],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    constants = {"rounds": np.array(rounds, np.int64), "yes": np.array(True)}
    return helper.make_node("Loop", ["rounds", "yes", taken], [made], body=body), constants


def never_returns(path: Path) -> Path:
    """A loop of 2**62 rounds."""
    loop, constants = loop_of_sines("flat", "scores")
    return save_onnx(path, _flat_scores(loop), IMAGE, ["n", 3], constants)


def takes_100_gigabytes(path: Path) -> Path:
    """Spreads each image over 100 GB before it answers."""
    constants = {"wide": np.array([1, 1, 1, 1, 130_000_000], np.int64), "last": np.array([4], np.int64)}
    nodes = [
        helper.make_node("Unsqueeze", ["image", "last"], ["deep"]),
        helper.make_node("Expand", ["deep", "wide"], ["huge"]),
        helper.make_node("Sin", ["huge"], ["waves"]),
        helper.make_node("ReduceMean", ["waves"], ["scores"], axes=[1, 2, 4], keepdims=0),
    ]
    return save_onnx(path, nodes, IMAGE, ["n", 3], constants)


def custom_operator(path: Path) -> Path:
    """Needs an operator that ONNX Runtime has never heard of."""
    nodes = _flat_scores(helper.make_node("Evil", ["flat"], ["scores"], domain="com.example"))
    return save_onnx(path, nodes, IMAGE, ["n", 3], domain="com.example")


def two_inputs(path: Path) -> Path:
    """Takes an image and something else."""
    model = onnx.load_model(tiny_classifier(path))
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, ["n", 3]))
    model.graph.node[-1].input[0] = "sum"
    model.graph.node.insert(2, helper.make_node("Add", ["logits", "more"], ["sum"]))
    path.write_bytes(model.SerializeToString())
    return path


def takes_text(path: Path) -> Path:
    """Its input is of strings."""
    node = helper.make_node("Identity", ["image"], ["scores"])
    return save_onnx(path, [node], ["n", 8], ["n", 8], dtype=TensorProto.STRING, answer_dtype=TensorProto.STRING)


def external_data(path: Path) -> Path:
    """Its weights are said to lie in a file that is not the model's."""
    model = onnx.load_model(tiny_classifier(path))
    kernel = model.graph.initializer[0]
    kernel.ClearField("raw_data")
    kernel.data_location = TensorProto.EXTERNAL
    entry = kernel.external_data.add()
    entry.key, entry.value = "location", NOWHERE
    path.write_bytes(model.SerializeToString())
    return path


def cut(path: Path, source: Path, share: float) -> Path:
    """The first `share` of a file."""
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


class _Marks:
    """Unpickling it writes a file."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return (Path.touch, (self._marker,))


def pickled(path: Path, marker: Path) -> Path:
    """A pickle that writes `marker` when it is loaded."""
    path.write_bytes(pickle.dumps(_Marks(marker)))
    return path


def keras_config(*layers: dict[str, Any]) -> str:
    """The configuration of a sequential model, as Keras writes it into HDF5."""
    return json.dumps({"class_name": "Sequential", "config": {"name": "tiny", "layers": list(layers)}})


PLAIN = keras_config({"class_name": "Dense", "module": "keras.layers", "config": {"units": 3}})


def hdf5(path: Path, config: str | None = PLAIN, fill: Callable[[h5py.File], object] | None = None) -> Path:
    """An HDF5 file with a model's configuration and whatever `fill` puts beside it."""
    with h5py.File(path, "w") as file:
        if config is not None:
            file.attrs["model_config"] = config
        if fill is not None:
            fill(file)
    return path


def _virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(NOWHERE, "data", (4,))
    file.create_virtual_dataset("virtual", layout)


def _bomb(file: h5py.File) -> None:
    file.create_dataset("zeros", (2**35,), "f4", chunks=(2**20,), compression="gzip")


HOSTILE_HDF5: dict[str, Callable[[h5py.File], object]] = {
    "external link": lambda file: file.__setitem__("link", h5py.ExternalLink(NOWHERE, "/")),
    "external link in a group": lambda file: file.create_group("a/b").__setitem__("c", h5py.ExternalLink("x", "/")),
    "external storage": lambda file: file.create_dataset("stolen", (4,), "f4", external=[(NOWHERE, 0, 16)]),
    "virtual dataset": _virtual,
}
BOMB = _bomb


def keras_archive(path: Path, config: str = PLAIN, members: dict[str, bytes] | None = None) -> Path:
    """A `.keras` archive whose weights are an empty HDF5 file."""
    weights = hdf5(path.with_suffix(".weights"), config=None)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", config)
        archive.write(weights, "model.weights.h5")
        for name, data in (members or {}).items():
            archive.writestr(name, data)
    weights.unlink()
    return path


def make_keras_files(folder: Path) -> None:
    """Those files that only Keras can write; a Lambda among them would write `folder/lambda-has-run`."""
    import keras

    def model(*layers: Any, shape: tuple[int, ...] = (8, 8, 3), batch: int | None = None) -> Any:
        return keras.Sequential([keras.Input(shape, batch_size=batch), *layers])

    keras.utils.set_random_seed(1)
    plain = keras.layers.Conv2D(4, 3), keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax")
    good = model(*plain)
    for name in ("good.h5", "good.keras"):
        good.save(folder / name)
    model(*plain, batch=4).save(folder / "four_at_once.h5")
    augmenting = [keras.layers.RandomFlip(), keras.layers.RandomRotation(0.2), keras.layers.Dropout(0.5)]
    model(
        *augmenting,
        keras.layers.BatchNormalization(),
        keras.layers.Flatten(),
        keras.layers.Dense(3, activation="softmax"),
    ).save(folder / "augmenting.h5")
    with h5py.File(folder / "good.h5", "a") as file:
        file.attrs["model_card"] = json.dumps({"labels": ["cat", "dog", "emu"], "version": 7})
    good.save_weights(folder / "only.weights.h5")

    marker = str(folder / "lambda-has-run")

    def hostile(image: Any) -> Any:
        open(marker, "w").close()
        return image

    lambda_model = model(keras.layers.Lambda(hostile, output_shape=(8, 8, 3)), keras.layers.Flatten())
    for name in ("lambda.h5", "lambda.keras"):
        lambda_model.save(folder / name)
    Path(marker).unlink(missing_ok=True)  # building the model called it

    @keras.saving.register_keras_serializable("elsewhere")
    class Own(keras.layers.Layer):
        def call(self, image: Any) -> Any:
            return image

    model(Own(), keras.layers.Flatten()).save(folder / "own_layer.keras")

    huge = folder / "huge.h5"
    huge.write_bytes((folder / "good.h5").read_bytes())
    with h5py.File(huge, "a") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][-1]["config"]["units"] = 180_000_000
        file.attrs["model_config"] = json.dumps(config)
        del file.attrs["model_card"]


if __name__ == "__main__":
    make_keras_files(Path(sys.argv[1]))
