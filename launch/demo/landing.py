"""What lands in folders that are watched: trained models and digits, each at once and whole."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from launch.demo.digits import USUAL
from launch.demo.programs import DemoFailed


def train(folder: Path, names: Sequence[str] = USUAL) -> None:
    """Leaves models, and what each answers to every held-out digit, in a folder; takes some ten seconds.

    Args:
        folder: that is there.
        names: see `launch.demo.digits.main`.

    Raises:
        DemoFailed: they cannot be trained.
    """
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"}
    done = subprocess.run(
        [sys.executable, "-m", "launch.demo.digits", str(folder), *names],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise DemoFailed(f"training failed: {done.stderr.strip().splitlines()[-1:]}")


def land(source: Path, target: Path) -> None:
    """Copies a file under a hidden name, and gives it its own by a rename."""
    hidden = target.with_name(f".{target.name}")
    shutil.copy(source, hidden)
    hidden.rename(target)


def write_png(pixels: NDArray[np.uint8], path: Path) -> None:
    """Writes an image of shape (height, width) in the same way."""
    hidden = path.with_name(f".{path.name}")
    Image.fromarray(pixels).save(hidden, "PNG")
    hidden.rename(path)
