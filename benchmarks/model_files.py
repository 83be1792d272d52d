"""Models to measure with. Runs as a process of its own, so that who measures need not import TensorFlow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.random_weights import make_telling, photographs

SEEDS = {"a": 1, "b": 2, "c": 3}
SMALL_MODELS = {f"{name}_{which}": f"{name}_{which}.h5" for name in ("mobilenet", "digits") for which in SEEDS}
LARGE_MODELS = {"resnet50": "resnet50.h5", "resnet50_int8": "resnet50_int8.onnx"}
SERVER_MODELS = {name: (SMALL_MODELS | LARGE_MODELS)[name] for name in ("mobilenet_a", "mobilenet_b", "resnet50")}
"""What servers are measured with."""
_DIGITS_EXAMPLES = (40, 400, 1197)


def make_models(folder: Path, calibration: Path, names: dict[str, str]) -> dict[str, Path]:
    """Model files by name, made where they are not there yet.

    Args:
        folder: where they are kept.
        calibration: a folder of images, for models in 8 bits.
        names: `SMALL_MODELS`, `LARGE_MODELS` or both: the files by name.

    Raises:
        RuntimeError: they could not be made.
    """
    models = {name: folder / file for name, file in names.items()}
    missing = [name for name, path in models.items() if not path.is_file()]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "benchmarks.model_files", str(folder), str(calibration), *missing]
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"the models could not be made: {done.stderr.strip()[-2000:]}")
    return models


def write_architecture(name: str, path: Path, seed: int) -> None:
    """One of `keras.applications` for pixels 0..1, with random weights whose answers still depend on the image."""
    import keras

    keras.utils.set_random_seed(seed)
    model = getattr(keras.applications, name)(weights=None)
    height, width = model.input_shape[1:3]
    make_telling(keras, model, photographs(height, width) / np.float32(255))
    model.save(path)


def write_digits(path: Path, examples: int) -> None:
    """The demonstration's model, trained with so many examples."""
    from launch.demo.digits import train
    from studio.retraining.digits import Digits, load_digits

    training, held_out = load_digits()
    train(Digits(training.pixels[:examples], training.labels[:examples]), path, held_out)


def write_in_8_bits(original: Path, path: Path, calibration: Path) -> None:
    """The same model as `hotswap publish --precision int8` makes it; random weights need not agree with themselves."""
    from models.releasing import release

    release(original, path, precision="int8", calibration=calibration, least_agreement=0.0)


def main(folder: Path, calibration: Path, names: list[str]) -> None:
    """Writes these."""
    paths = {name: folder / file for name, file in (SMALL_MODELS | LARGE_MODELS).items()}
    for (which, seed), examples in zip(SEEDS.items(), _DIGITS_EXAMPLES, strict=True):
        if (name := f"mobilenet_{which}") in names:
            write_architecture("MobileNetV2", paths[name], seed)
        if (name := f"digits_{which}") in names:
            write_digits(paths[name], examples)
    if "resnet50" in names:
        write_architecture("ResNet50", paths["resnet50"], seed=1)
    if "resnet50_int8" in names:
        write_in_8_bits(paths["resnet50"], paths["resnet50_int8"], calibration)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
