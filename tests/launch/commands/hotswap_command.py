"""How a command ended, and the model files that the commands are given."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.reference import sha256_of
from models.releasing.card_in_file import embed_card
from tests.launch.tiny_models import tiny_onnx


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        return self.out.splitlines()[-1]


Command = Callable[..., Outcome]


def drop(path: str, favours: int = 1, *, finite: bool = True, age: float = 0.0, **card: object) -> str:
    """A model in the present folder, modified `age` seconds ago."""
    tiny_onnx(Path(path), favours=favours, finite=finite)
    if card:
        embed_card(Path(path), card)
    os.utime(path, (time.time() - age,) * 2)
    return path


def model_id(path: str) -> str:
    return f"{path}@sha256:{sha256_of(Path(path))[:12]}"


def error_line(outcome: Outcome) -> str:
    """The last line on standard error, which is the only one that tells of an error."""
    *before, last = outcome.err.splitlines()
    assert last.startswith("error: ")
    assert not any(line.startswith("error: ") for line in before)
    return last
