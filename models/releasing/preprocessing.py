"""How the families of `keras.applications` want their pixels: each one's `preprocess_input`, as a card says it.

Sources: Keras 3.15, `keras/src/applications/imagenet_utils.py` for the arithmetic, each family's module for its choice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from models.errors import ReleaseError, one_line

_Input = Mapping[str, Any]
_AS_THEY_ARE: _Input = MappingProxyType({"color": "RGB", "scale": 1.0, "mean": [0.0], "std": [1.0]})
"""The family's models scale their pixels themselves."""
_TF: _Input = MappingProxyType({"color": "RGB", "scale": 1 / 127.5, "mean": [1.0], "std": [1.0]})
_TORCH: _Input = MappingProxyType(
    {"color": "RGB", "scale": 1 / 255, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
)
_CAFFE: _Input = MappingProxyType({"color": "BGR", "scale": 1.0, "mean": [103.939, 116.779, 123.68], "std": [1.0]})

_FAMILIES: Mapping[str, tuple[_Input, str]] = {
    "convnext": (_AS_THEY_ARE, "ConvNeXtTiny ConvNeXtSmall ConvNeXtBase ConvNeXtLarge ConvNeXtXLarge"),
    "densenet": (_TORCH, "DenseNet121 DenseNet169 DenseNet201"),
    "efficientnet": (_AS_THEY_ARE, " ".join(f"EfficientNetB{number}" for number in range(8))),
    "efficientnet_v2": (_AS_THEY_ARE, " ".join(f"EfficientNetV2{size}" for size in ("B0", "B1", "B2", "B3", *"SML"))),
    "inception_resnet_v2": (_TF, "InceptionResNetV2"),
    "inception_v3": (_TF, "InceptionV3 Inception"),
    "mobilenet": (_TF, "MobileNet MobileNetV1"),
    "mobilenet_v2": (_TF, "MobileNetV2"),
    "mobilenet_v3": (_AS_THEY_ARE, "MobileNetV3Small MobileNetV3Large"),
    "nasnet": (_TF, "NASNetMobile NASNetLarge"),
    "resnet": (_CAFFE, "ResNet50 ResNet101 ResNet152"),
    "resnet50": (_CAFFE, "ResNet50"),
    "resnet_v2": (_TF, "ResNet50V2 ResNet101V2 ResNet152V2"),
    "vgg16": (_CAFFE, "VGG16 VGG"),
    "vgg19": (_CAFFE, "VGG19"),
    "xception": (_TF, "Xception"),
}
"""From a family's module to its input, and the names of its architectures and what else people call them."""


def preprocessing(name: str) -> dict[str, Any]:
    """The fields of a card's `input` that say what a family's `preprocess_input` does: `scale`, `mean`, `std`, `color`.

    Args:
        name: a module of `keras.applications` or an architecture of one, in any case, with or without `_` and `-`.

    Raises:
        ReleaseError: there is no such family; it lists them.
    """
    found = _BY_NAME.get(_plain(name))
    if found is None:
        raise ReleaseError(
            f"{one_line(repr(name), 60)} is no family of keras.applications; there are {', '.join(_FAMILIES)}, "
            "and their architectures, such as ResNet50V2"
        )
    return dict(found)


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).lower()


_BY_NAME = {_plain(name): wanted for family, (wanted, names) in _FAMILIES.items() for name in (family, *names.split())}
