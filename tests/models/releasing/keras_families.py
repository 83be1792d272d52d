"""What each family of `keras.applications` makes of real photographs: `keras_families FOLDER`.

`FAMILY.npy` is what its `preprocess_input` answers, float32; `architectures.json` says whose each architecture is.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_images

HEIGHT, WIDTH = 160, 224
ARCHITECTURES = "architectures.json"


def photographs() -> list[NDArray[np.uint8]]:
    """Two of them, RGB, shape (427, 640, 3)."""
    return list(load_sample_images().images)


def families() -> dict[str, Any]:
    """The modules of `keras.applications` that are a family, by name; `imagenet_utils` is what they share."""
    modules = {name: each for name, each in vars(keras.applications).items() if isinstance(each, ModuleType)}
    del modules["imagenet_utils"]
    return {name: module for name, module in modules.items() if hasattr(module, "preprocess_input")}


def architectures() -> dict[str, str]:
    """From the name of each architecture to the family whose module makes it."""
    makers = {name: each for name, each in vars(keras.applications).items() if name[0].isupper()}
    return {name: make.__module__.rpartition(".")[2] for name, make in makers.items()}


def main(folder: Path) -> None:
    fitted = np.stack([np.asarray(Image.fromarray(each).resize((WIDTH, HEIGHT))) for each in photographs()])
    for name, module in families().items():
        np.save(folder / f"{name}.npy", module.preprocess_input(fitted.astype(np.float32)))
    (folder / ARCHITECTURES).write_text(json.dumps(architectures()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
