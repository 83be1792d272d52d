"""What became of each model, as clients ask for it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Sequence
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
        tried: that which is tried and answers as well; None where none does.
        to_be_tried: that which is on its way in to be tried; None where none is.
    """

    live: str | None
    coming: str | None
    tried: str | None = None
    to_be_tried: str | None = None


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
        where = self._whereabouts()
        answer = [each for each in (where.tried, where.live) if each is not None]
        come = [each for each in (where.to_be_tried, where.coming) if each is not None]
        statuses = [_now(status, come) for status in known.values() if status.model_id not in answer]
        statuses += [_status(each, State.LOADING) for each in come if each not in known]
        return statuses + [_status(each, State.AVAILABLE) for each in answer]

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


def _now(status: Status, come: Sequence[str]) -> Status:
    """What is said of a model that does not answer, where those models are on their way in."""
    if status.state is State.AVAILABLE:
        return replace(status, state=State.LOADING if status.model_id in come else State.UNLOADING)
    if status.state is State.LOADING and status.model_id not in come:
        return replace(status, state=State.END)
    return status
