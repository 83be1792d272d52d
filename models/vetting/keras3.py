"""Keras 3, which reads what it saved itself. Runs in the vetting child."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

_OPERATIONS = tuple(f"keras.src.ops.{part}" for part in ("numpy", "nn", "core", "math", "image", "linalg"))


def load(path: Path) -> Any:
    """The model in a `.h5` or `.keras` file that `file_checks` has let through.

    Raises:
        Exception: whatever the layer at fault raises.
    """
    import keras

    configuration = _with_modules(path) if path.suffix == ".h5" else None
    if configuration is None:
        model = keras.models.load_model(path, custom_objects=_known_objects(), compile=False, safe_mode=True)
    else:
        model = keras.models.model_from_json(configuration, custom_objects=_known_objects())
        model.load_weights(path)
    for layer in layers_of(model):
        if isinstance(layer, keras.layers.Normalization):
            write_out_normalization(layer)
    return model


def write_onnx(model: Any, path: Path) -> None:
    """Writes the model, as it answers, in ONNX.

    Raises:
        Exception: whatever the exporter raises when the model cannot be written so.
    """
    import keras

    spec = [keras.InputSpec(shape=model.inputs[0].shape, dtype=model.inputs[0].dtype)]
    _for_inference(model).export(str(path), format="onnx", verbose=False, input_signature=spec)


def write_saved_model(model: Any, folder: Path) -> None:
    """Writes the model, as it answers, as a SavedModel with the endpoint `serve`.

    Raises:
        Exception: whatever the exporter raises.
    """
    _for_inference(model).export(str(folder), format="tf_saved_model", verbose=False)


def layers_of(model: Any) -> Iterator[Any]:
    """The layers of a model and of the models in it, in any order; of Keras 2 too."""
    waiting = list(getattr(model, "layers", ()))
    while waiting:
        layer = waiting.pop()
        yield layer
        waiting.extend(getattr(layer, "layers", ()))


def write_out_normalization(layer: Any) -> None:
    """Has a `Normalization` layer, of Keras 2 too, write its numbers into a graph as constants.

    They are tensors of the moment, which a graph takes as further inputs, and tf2onnx 1.17 finds those missing.
    """
    if layer.mean is not None and layer.variance is not None:
        layer.mean, layer.variance = np.asarray(layer.mean), np.asarray(layer.variance)


def _with_modules(path: Path) -> str | None:
    """The configuration in an HDF5 file, with the modules of its operations; None where it has no operations.

    Keras 3.15 leaves the modules out there and not in a `.keras`. Then it takes the operation `Add` for the layer of
    that name, which takes other arguments, and finds no other operation at all.
    """
    with h5py.File(path) as file:
        configuration = json.loads(file.attrs["model_config"])
    if not sum(_name_module(node) for node in _nodes(configuration)):
        return None
    return json.dumps(configuration | {"module": "keras.src.models.functional", "registered_name": "Functional"})


def _nodes(configuration: Any) -> Iterator[dict[str, Any]]:
    """The layers and operations of a functional model and of the models in it."""
    waiting = [configuration]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            if "inbound_nodes" in found:
                yield found
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)


def _name_module(node: dict[str, Any]) -> bool:
    """Names the module of an operation, which unlike a layer is never trainable; whether that was one."""
    config, name = node.get("config"), node.get("class_name")
    if "module" in node or not isinstance(config, dict) or {"trainable", "layers"} & set(config):
        return False
    for module in _OPERATIONS:
        found = getattr(importlib.import_module(module), str(name), None)
        if isinstance(found, type) and found.__module__ == module:
            node |= {"module": module, "registered_name": name}
            return True
    return False


def _known_objects() -> dict[str, Any]:
    """What `keras.applications` is built of that Keras does not find by name."""
    from keras.src.applications import convnext, inception_resnet_v2

    return {
        "LayerScale": convnext.LayerScale,
        "StochasticDepth": convnext.StochasticDepth,
        "CustomScaleLayer": inception_resnet_v2.CustomScaleLayer,
    }


def _for_inference(model: Any) -> Any:
    """The model as it answers. In an export of the model itself, layers that augment images would go on doing so."""
    import keras

    image = keras.Input(batch_shape=model.inputs[0].shape, dtype=model.inputs[0].dtype)
    return keras.Model(image, model(image, training=False))
