"""Which images a new model is tried on: the same ones for every process, after every restart and in every replay."""

from __future__ import annotations

import hashlib

from models.records import REPLAY_OF, ImageRequest
from models.reference import StatedTrial
from models.trials.evidence import Side

_SPAN = float(1 << 64)
COMPARED = 3.0
"""Times as many answers of the old model as of the new one are evidence in a canary. Counting all of them would cost
time, and make nothing surer by much: how sure the difference is follows from the model with the fewer answers."""


def trial_key(request: ImageRequest) -> str:
    """By what an image is told apart in a trial: the id of the message that named it first, else its path."""
    origin = request.origin
    return origin.attributes.get(REPLAY_OF, origin.message_id) or request.image


def position(trial: StatedTrial, key: str) -> float:
    """Where an image lies between 0 and 1 in this trial, evenly spread.

    Args:
        trial: under way; another one spreads them otherwise.
        key: see `trial_key`.
    """
    salt = f"{trial.number}\n{trial.new.sha256}\n{key}"
    digest = hashlib.sha256(salt.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / _SPAN


def is_tried(trial: StatedTrial, key: str) -> bool:
    """Whether an image is one of the share; of a greater share it still is."""
    return position(trial, key) < trial.share


def part_in(trial: StatedTrial, key: str) -> Side | None:
    """Which model's part an image is in a trial: `new` where it is tried, `old` where it is compared with those.

    None where it is neither: in the shadow all that are not tried, in a canary those beyond three times its share.
    """
    where = position(trial, key)
    if where < trial.share:
        return "new"
    return "old" if trial.mode == "canary" and where < trial.share * (1 + COMPARED) else None
