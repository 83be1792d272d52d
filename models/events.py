"""What happened to each model, kept until someone writes it down."""

from __future__ import annotations

import os
import socket
import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, Literal

from models.moments import rfc3339

EventKind = Literal["accepted", "rejected", "loading", "failed", "live", "quarantined", "retired"]

MAX_UNDRAINED = 10_000


def worker_name() -> str:
    """This process among all workers: host name and process id."""
    return f"{socket.gethostname()}-{os.getpid()}"


@dataclass(frozen=True, slots=True)
class ModelEvent:
    """One step in a model's life.

    Attributes:
        event: `accepted` or `rejected` by vetting; in one worker `loading`, then `live`, `failed` or `quarantined`, at
            last `retired`.
        model_id: the reference of the exact bytes; the bare URI where they could not be read whole.
        model_name: the card's name, else the file name without extension.
        reason: for a rejection a stable word, then detail; for an acceptance which engine and why; for a failure what
            went wrong, and it is tried again; for a quarantine what the model did on its own probe image, and which
            one takes over.
        seconds: how long vetting or loading took.
        time: when it happened, RFC 3339 in UTC.
        worker: the process that says so.
    """

    event: EventKind
    model_id: str
    model_name: str
    reason: str = ""
    seconds: float = 0.0
    time: str = field(default_factory=rfc3339)
    worker: str = field(default_factory=worker_name)

    def to_json(self) -> dict[str, Any]:
        """The event as users read it."""
        return {
            "event": self.event,
            "model_id": self.model_id,
            "model_name": self.model_name,
            "reason": self.reason,
            "time": self.time,
            "seconds": round(self.seconds, 3),
            "worker": self.worker,
        }


class EventLog:
    """Events waiting to be written; any thread adds, one drain takes them all."""

    def __init__(self) -> None:
        self._events: deque[ModelEvent] = deque(maxlen=MAX_UNDRAINED)
        self._counts: Counter[str] = Counter()
        self._lock = threading.RLock()  # a finalizer may add in the midst of a drain

    def add(self, event: ModelEvent) -> None:
        """Keeps `event` until the next drain."""
        with self._lock:
            self._events.append(event)
            self._counts[event.event] += 1

    def drain(self) -> list[ModelEvent]:
        """Takes all events, oldest first."""
        with self._lock:
            taken = list(self._events)
            self._events.clear()
        return taken

    def waiting(self) -> int:
        """How many events nobody has drained yet."""
        return len(self._events)

    def counts(self) -> Counter[str]:
        """How many events of each kind there ever were."""
        with self._lock:
            return Counter(self._counts)
