"""Modules of the tests that run by themselves: most import Keras, which takes seconds and does not leave again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[1]


def run_module(name: str, *arguments: str | Path) -> str:
    """What a module (`tests.model_files`) prints when run with these arguments in a process of its own.

    Raises:
        AssertionError: it failed; with what it said.
    """
    done = subprocess.run(
        [sys.executable, "-m", name, *map(str, arguments)],
        cwd=_ROOT,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
