"""What became of each model, as clients ask for it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

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
        reason: why it failed or was rejected; "" where it was not.
    """

    version: int
    model_id: str
    state: State
    reason: str = ""


class Statuses:
    """Follows the events of models. Threads may ask side by side."""

    def __init__(self) -> None:
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
            return list(self._of.values())

    def _take_in(self, event: ModelEvent) -> None:
        found = _DIGEST.search(event.model_id or "")
        if found is None:  # its bytes could not be read
            return
        status = Status(int(found[1], 16), event.model_id, State.END, event.reason)
        match event.event:
            case "loading":
                status = replace(status, state=State.LOADING, reason="")
            case "failed":
                status = replace(status, state=State.LOADING)
            case "live":
                for id_, each in self._of.items():
                    if each.state is State.AVAILABLE:
                        self._of[id_] = replace(each, state=State.UNLOADING)
                status = replace(status, state=State.AVAILABLE, reason="")
            case "retired":
                status = replace(self._of.get(event.model_id, status), state=State.END)
            case "accepted":
                return
        self._of.pop(event.model_id, None)
        self._of[event.model_id] = status
