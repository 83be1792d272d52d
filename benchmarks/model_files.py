"""Models to measure with. Runs as a process of its own, so that who measures need not import TensorFlow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

SEEDS = {"a": 1, "b": 2, "c": 3}
_CALIBRATION_IMAGES = 16
_DIGITS_EXAMPLES = (40, 400, 1197)


def make_models(folder: Path) -> dict[str, Path]:
    """`mobilenet_a`, `_b`, `_c` and `digits_a`, `_b`, `_c`: `.h5` files, made where they are not there yet.

    Raises:
        RuntimeError: they could not be made.
    """
    models = {f"{name}_{which}": folder / f"{name}_{which}.h5" for name in ("mobilenet", "digits") for which in SEEDS}
    if not all(path.is_file() for path in models.values()):
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "benchmarks.model_files", str(folder)]
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"the models could not be made: {done.stderr.strip()[-2000:]}")
    return models


def write_mobilenet(path: Path, seed: int) -> None:
    """MobileNetV2 for (224, 224, 3) with random weights, whose outputs still depend on the image.

    With random weights and batch statistics as they begin (mean 0, variance 1), activations fade from layer to layer
    until every image gets the same scores. So each normalisation takes the statistics of a batch of noise images,
    and the last layer is made to tell their features apart.
    """
    import keras

    keras.utils.set_random_seed(seed)
    model = keras.applications.MobileNetV2(weights=None)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    random = np.random.default_rng(seed)
    coarse = random.random((_CALIBRATION_IMAGES, 8, 8, 3), np.float32)
    fine = random.random((_CALIBRATION_IMAGES, 224, 224, 3), np.float32)
    model((coarse.repeat(28, axis=1).repeat(28, axis=2) + fine) / 2, training=True)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel * 20, bias])
    model.save(path)


def main(folder: Path) -> None:
    """Writes all six."""
    from launch.demo.digits import Digits, load_digits, train

    for which, seed in SEEDS.items():
        write_mobilenet(folder / f"mobilenet_{which}.h5", seed)
    training, held_out = load_digits()
    for which, examples in zip(SEEDS, _DIGITS_EXAMPLES, strict=True):
        some = Digits(training.pixels[:examples], training.labels[:examples])
        train(some, folder / f"digits_{which}.h5", held_out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
