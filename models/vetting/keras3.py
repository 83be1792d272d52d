"""Keras 3, which reads what it saved itself. Runs in the vetting child."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

from models.vetting.keras_configuration import objects_in
from models.vetting.keras_models import for_inference, write_out_normalizations

_OPERATIONS = tuple(f"keras.src.ops.{part}" for part in ("numpy", "nn", "core", "math", "image", "linalg"))


def load(path: Path, configuration: Any) -> Any:
    """The model in a `.h5` or `.keras` file that `file_checks` has let through.

    Args:
        path: of the file.
        configuration: in it, parsed.

    Raises:
        Exception: whatever the layer at fault raises.
    """
    import keras

    _take_earlier_rotations(keras)
    named = _with_modules(configuration) if path.suffix == ".h5" else None
    if named is None:
        model = keras.models.load_model(path, custom_objects=_known_objects(), compile=False, safe_mode=True)
    else:
        model = keras.models.model_from_json(json.dumps(named), custom_objects=_known_objects())
        model.load_weights(path)
    write_out_normalizations(keras, model)
    return model


def write_saved_model(model: Any, folder: Path) -> None:
    """Writes the model, as it answers, as a SavedModel with the endpoint `serve`.

    Raises:
        Exception: whatever the exporter raises.
    """
    import keras

    for_inference(keras, model).export(str(folder), format="tf_saved_model", verbose=False)


def _take_earlier_rotations(keras: Any) -> None:
    """Lets `RandomRotation` take a `value_range`, which Keras 3.0 wrote; answering does not rotate."""
    rotation = keras.layers.RandomRotation
    usual = rotation.from_config.__func__

    def from_config(cls: Any, config: dict[str, Any]) -> Any:
        return usual(cls, {key: value for key, value in config.items() if key != "value_range"})

    rotation.from_config = classmethod(from_config)


def _with_modules(configuration: dict[str, Any]) -> dict[str, Any] | None:
    """The configuration in an HDF5 file, with the modules of its operations; None where it has no operations.

    Keras 3.15 leaves the modules out there and not in a `.keras`. Then it takes the operation `Add` for the layer of
    that name, which takes other arguments, and finds no other operation at all.
    """
    nodes = [each for each in objects_in(configuration) if "inbound_nodes" in each]
    if not sum(_name_module(node) for node in nodes):
        return None
    return configuration | {"module": "keras.src.models.functional", "registered_name": "Functional"}


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
