"""Which model answers a request while another one is tried: the same one for the same request on every server."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.live import LiveModel, OnTrial
from models.trials.sides import is_tried
from serving.asking import EVERYTHING, Asked, Refused
from serving.outputs import output_names
from serving.preparing import require_fit
from serving.trials.part import Part

_AT_ONCE_BYTES = 128 << 10
"""Of which a digest is made on the event loop: in less time than another thread takes to be woken."""

_LONGEST_ID = 36
"""Characters of a client's id that count: a UUID's."""


class Choice(NamedTuple):
    """Who answers a request.

    Attributes:
        model: that does, all of it.
        part: of the request in the trial; None where it has none.
    """

    model: LiveModel
    part: Part | None


async def key_of(asked: Asked) -> str:
    """By which a request is known in a trial: its content, and its client's own id of it where it has one.

    By the id alone, a client that always says the same one would have one side answer all that it asks.
    """
    digest = await _digest(asked)
    return f"{asked.key[:_LONGEST_ID]} {digest}" if asked.key else digest


def choose(asked: Asked, key: str, live: LiveModel, on_trial: OnTrial | None, has_room: bool) -> Choice:
    """Who answers a request that fits the live model.

    One that names its model has no part in a trial, nor has one that does not fit the tried model: what either model
    would be told of by those is no comparison.

    Args:
        asked: by a client.
        key: of the request, see `key_of`.
        live: the model that it means.
        on_trial: another one that is tried.
        has_room: whether the tried model may be given more. One that hangs must not take all the room there is.
    """
    if on_trial is None or asked.names_model or not fits(asked, on_trial.model, live):
        return Choice(live, None)
    trial = on_trial.trial
    if not is_tried(trial, key):
        return Choice(live, Part(trial, "old", key) if trial.mode == "canary" else None)
    if trial.mode == "shadow":
        return Choice(live, Part(trial, "old", key, is_shadowed=True))
    return Choice(on_trial.model, Part(trial, "new", key)) if has_room else Choice(live, None)


def fits(asked: Asked, tried: LiveModel, live: LiveModel) -> bool:
    """Whether the tried model can answer what the live one can: its input, and the outputs by their names."""
    try:
        require_fit(asked, tried)
    except Refused:
        return False
    missing = set(asked.outputs) & output_names(live.manifest) - output_names(tried.manifest) - {EVERYTHING}
    return not missing


async def _digest(asked: Asked) -> str:
    """The SHA-256 of the first image, or of the tensor, in hexadecimal digits."""
    data = memoryview(asked.images[0]) if asked.tensor is None else _bytes_of(asked.tensor.values)
    if data.nbytes <= _AT_ONCE_BYTES:
        return _sha256(data)
    return await asyncio.to_thread(_sha256, data)


def _bytes_of(values: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8).data


def _sha256(data: memoryview) -> str:
    return hashlib.sha256(data).hexdigest()
