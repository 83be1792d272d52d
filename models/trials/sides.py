"""Which images a new model is tried on: the same ones for every process, after every restart and in every replay."""

from __future__ import annotations

import hashlib

from models.reference import StatedTrial

_SPAN = float(1 << 64)


def position(trial: StatedTrial, key: str) -> float:
    """Where an image lies between 0 and 1 in this trial, evenly spread.

    Args:
        trial: under way; another one spreads them otherwise.
        key: the image's `message_id`; its path where there is none.
    """
    salt = f"{trial.number}\n{trial.new.sha256}\n{key}"
    digest = hashlib.sha256(salt.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / _SPAN


def is_tried(trial: StatedTrial, key: str) -> bool:
    """Whether an image is one of the share; of a greater share it still is."""
    return position(trial, key) < trial.share
