"""What became of each model, as clients ask for it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple

from models.events import ModelEvent
from models.reference import DIGEST_PATTERN

_REMEMBERED = 64
_DIGEST = re.compile(rf"@sha256:({DIGEST_PATTERN})$")


class State(Enum):
    """Of a version, in TensorFlow Serving's words and numbers."""

    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True, slots=True)
class Status:
    """What became of one model.

    Attributes:
        version: see `version_of`.
        model_id: of it.
        state: of it.
        reason: why it failed, was rejected or quarantined; "" where it was not.
    """

    version: int
    model_id: str
    state: State
    reason: str = ""


class Whereabouts(NamedTuple):
    """Which models matter now, by their ids.

    Attributes:
        live: that which answers; None where none does.
        coming: that which is on its way in; None where none is.
    """

    live: str | None
    coming: str | None


class Statuses:
    """Follows the events of models. Threads may ask side by side.

    Args:
        whereabouts: as they are. Events come later than what they tell of, and none says that a model is given up
            which never came in.
    """

    def __init__(self, whereabouts: Callable[[], Whereabouts]) -> None:
        self._whereabouts = whereabouts
        self._lock = threading.Lock()
        self._of: dict[str, Status] = {}

    def take_in(self, events: Iterable[ModelEvent]) -> None:
        """Learns of events, oldest first."""
        with self._lock:
            for event in events:
                self._take_in(event)
            while len(self._of) > _REMEMBERED:
                ended = next((id_ for id_, each in self._of.items() if each.state is State.END), next(iter(self._of)))
                del self._of[ended]

    def all(self) -> list[Status]:
        """Of each model that is known, the newest last."""
        with self._lock:
            known = dict(self._of)
        live, coming = self._whereabouts()
        statuses = [_now(status, live, coming) for status in known.values() if status.model_id != live]
        if coming is not None and coming not in known:
            statuses.append(_status(coming, State.LOADING))
        if live is not None:
            statuses.append(_status(live, State.AVAILABLE))
        return statuses

    def _take_in(self, event: ModelEvent) -> None:
        if _DIGEST.search(event.model_id or "") is None:  # its bytes could not be read
            return
        status = _status(event.model_id, State.END, event.reason)
        match event.event:
            case "loading":
                status = replace(status, state=State.LOADING, reason="")
            case "failed":
                status = replace(status, state=State.LOADING)
            case "live":
                status = replace(status, state=State.AVAILABLE, reason="")
            case "retired":
                status = replace(self._of.get(event.model_id, status), state=State.END)
            case "accepted":
                return
        self._of.pop(event.model_id, None)
        self._of[event.model_id] = status


def _status(model_id: str, state: State, reason: str = "") -> Status:
    found = _DIGEST.search(model_id)
    assert found is not None
    return Status(int(found[1], 16), model_id, state, reason)


def _now(status: Status, live: str | None, coming: str | None) -> Status:
    """What is said of a model that is not live."""
    if status.state is State.AVAILABLE:
        return replace(status, state=State.LOADING if status.model_id == coming else State.UNLOADING)
    if status.state is State.LOADING and status.model_id != coming:
        return replace(status, state=State.END)
    return status
