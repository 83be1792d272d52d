"""Environments with nothing in them but what is installed there, and programs that run in one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

UV = Path(sys.prefix) / "bin" / "uv"
UNREACHABLE = (
    "dns error",
    "error sending request",
    "Failed to fetch",
    "Connection",
    "Network",
    "timed out",
    "NewConn",
)


def environment(place: Path, *installations: list[str]) -> Path:
    """The Python of a new environment; the test is skipped where the package registry cannot be reached.

    Args:
        place: its folder, which is made.
        installations: what `pip install` is told, one call after the other.
    """
    python = place / "bin" / "python"
    if UV.is_file():
        make = [[str(UV), "venv", "--quiet", "--python", sys.executable, str(place)]]
        install = [str(UV), "pip", "install", "--quiet", "--python", str(python)]
    else:
        make = [[sys.executable, "-m", "venv", str(place)]]
        install = [str(python), "-m", "pip", "install", "--quiet", "--retries=1"]
    for command in [*make, *([*install, *each] for each in installations)]:
        done = subprocess.run(command, cwd=place.parent, capture_output=True, text=True, check=False)
        if done.returncode and any(sign in done.stderr for sign in UNREACHABLE):
            pytest.skip("the package registry cannot be reached")
        assert done.returncode == 0, done.stderr
    return python


def run_outside(python: Path, *command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """What a program does where only the packages of `python` can be seen."""
    given = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables
    return subprocess.run(
        [python, *command], cwd=python.parent, env=given, capture_output=True, text=True, check=False, timeout=120
    )
