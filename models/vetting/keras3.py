"""Keras 3, which reads what it saved itself. Runs in the vetting child."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def load(path: Path) -> Any:
    """The model in a `.h5` or `.keras` file that `file_checks` has let through.

    Raises:
        Exception: whatever the layer at fault raises.
    """
    import keras

    return keras.models.load_model(path, custom_objects=_known_objects(), compile=False, safe_mode=True)


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
