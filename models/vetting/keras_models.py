"""What is done alike to models of Keras 2 and 3, whose packages are handed in. Runs in the vetting child."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


def for_inference(library: Any, model: Any) -> Any:
    """The model as it answers, with its outputs in a list.

    In an export of the model itself, layers that augment images would go on doing so.
    """
    first = model.inputs[0]
    image = library.Input(batch_shape=first.shape, dtype=first.dtype, name=input_name(model))
    return library.Model(image, flat(model(image, training=False)))


def flat(outputs: Any) -> list[Any]:
    """A model's outputs in one order, however it nests them."""
    import tensorflow as tf

    return tf.nest.flatten(outputs)


def input_name(model: Any) -> str:
    """The name of a model's one input; without what scopes and graphs add to it."""
    return str(model.inputs[0].name).partition(":")[0].rpartition("/")[2] or "input"


def output_names(model: Any) -> tuple[str, ...]:
    """The names of a model's outputs, in the order of `flat`; layers' names where it has no others."""
    named = getattr(model, "output_names", None) or ()
    if len(set(named)) != len(model.outputs):
        return tuple(f"output_{number}" for number in range(len(model.outputs)))
    structure = getattr(model, "_outputs_struct", None)
    return tuple(sorted(structure)) if isinstance(structure, dict) else tuple(map(str, named))


def write_out_normalizations(library: Any, model: Any) -> None:
    """Has each `Normalization` layer write its numbers into a graph as constants.

    They are tensors of the moment, which a graph takes as further inputs, and tf2onnx 1.17 finds those missing.
    """
    for layer in layers_of(model):
        if isinstance(layer, library.layers.Normalization) and layer.mean is not None and layer.variance is not None:
            layer.mean, layer.variance = np.asarray(layer.mean), np.asarray(layer.variance)


def computes_in_half(model: Any) -> bool:
    """Whether a layer of a model computes in 16 bits, as with mixed precision."""
    return any(getattr(layer, "compute_dtype", None) in ("float16", "bfloat16") for layer in layers_of(model))


def layers_of(model: Any) -> Iterator[Any]:
    """The layers of a model and of the models in it, in any order."""
    waiting = list(getattr(model, "layers", ()))
    while waiting:
        layer = waiting.pop()
        yield layer
        waiting.extend(getattr(layer, "layers", ()))
