"""Where a Keras model comes from, as far as its layers tell: what it was trained on is nowhere else in it."""

from __future__ import annotations

from typing import Any

from models.vetting.keras_models import layers_of

TEACHABLE_MACHINE = "Teachable Machine"

_MARKS = {
    "bn_Conv1": "mobilenet_v2",
    "conv_dw_1_bn": "mobilenet",
    "conv2_block1_preact_bn": "resnet_v2",
    "conv2_block1_3_bn": "resnet",
    "block5_conv4": "vgg19",
    "block5_conv3": "vgg16",
    "block2_sepconv1": "xception",
    "conv2_block1_0_bn": "densenet",
    "stem_bn1": "nasnet",
    "mixed_5b": "inception_resnet_v2",
    "mixed10": "inception_v3",
}
"""A layer that the models of one family alone have; of families that do not scale their pixels themselves."""


def origin_of(model: Any) -> str | None:
    """The family of `keras.applications` that a model is built upon, or `TEACHABLE_MACHINE`; None where nothing tells.

    Teachable Machine, which makes many a first model, puts a classifier of its own behind a MobileNet: a `Sequential`
    of two, of which the first ends in a pooling and the second is of `Dense` layers alone.
    """
    names = {layer.name for layer in layers_of(model)}
    family = next((family for mark, family in _MARKS.items() if mark in names), None)
    if family in ("mobilenet", "mobilenet_v2") and _is_of_two(model):
        return TEACHABLE_MACHINE
    return family


def _is_of_two(model: Any) -> bool:
    parts = [getattr(part, "layers", None) for part in model.layers if type(part).__name__ != "InputLayer"]
    if type(model).__name__ != "Sequential" or len(parts) != 2 or not all(parts):
        return False
    base, head = ([type(layer).__name__ for layer in part or ()] for part in parts)
    return base[-1] == "GlobalAveragePooling2D" and set(head) <= {"InputLayer", "Dense", "Dropout"}
