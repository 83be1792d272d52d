"""Environments of the other servers, each of its own, so that nothing here is bound by what they need."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from benchmarks.throughput import Tell

_HERE = Path(__file__).parent / "peers"
_ROOT = Path(__file__).parents[2]
_SECONDS = 900


class PeerMissing(Exception):  # noqa: N818 - what happened to the comparison
    """A server that cannot be had or does not run here, and why."""


def environment_python(name: str, tell: Tell) -> Path:
    """The Python of an environment, `.venv.NAME`, made where it is not there or of other requirements.

    Args:
        name: of the server: `mlserver` or `triton`.
        tell: is told when it is made.

    Raises:
        PeerMissing: it could not be made.
    """
    requirements = _HERE / f"{name}-requirements.txt"
    folder = _ROOT / f".venv.{name}"
    python = folder / "bin" / "python"
    made_of = hashlib.sha256(requirements.read_bytes()).hexdigest()
    ready = folder / ".ready"
    if ready.is_file() and ready.read_text() == made_of:
        return python
    tell(f"installing {name} into {folder.name}, once")
    _run(name, [sys.executable, "-m", "venv", "--clear", str(folder)])
    uv = Path(sys.executable).parent / "uv"
    asked = ["--requirement", str(requirements)]
    if uv.is_file():
        _run(name, [str(uv), "pip", "install", "--quiet", "--python", str(python), *asked])
    else:
        _run(name, [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *asked])
    ready.write_text(made_of)
    return python


def _run(name: str, command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise PeerMissing(f"{name} was not installed within {_SECONDS} s") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise PeerMissing(f"{name} cannot be installed here: {said[-1] if said else command[0]}")
