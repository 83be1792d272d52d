"""What happened to each model, kept until someone writes it down."""

from __future__ import annotations

import itertools
import math
import os
import socket
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, Literal

from models.moments import rfc3339

EventKind = Literal[
    "accepted", "rejected", "loading", "failed", "live", "quarantined", "retired",
    "trial_began", "trial_share", "trial_promoted", "trial_rolled_back",
]  # fmt: skip

MAX_UNDRAINED = 10_000
LONGEST_TELLING = 60.0
"""Seconds after which who has not confirmed what was told is taken not to have heard it."""


def worker_name() -> str:
    """This process among all workers: host name and process id."""
    return f"{socket.gethostname()}-{os.getpid()}"


@dataclass(frozen=True, slots=True)
class ModelEvent:
    """One step in a model's life.

    Attributes:
        event: `accepted` or `rejected` by vetting; in one worker `loading`, then `live`, `failed` or `quarantined`, at
            last `retired`. Of a trial, once in the fleet, `trial_began`, `trial_share` for each further step, and
            `trial_promoted` or `trial_rolled_back`.
        model_id: the reference of the exact bytes; the bare URI where they could not be read whole.
        model_name: the card's name, else the file name without extension.
        reason: for a rejection a stable word, then detail; for an acceptance which engine and why; for a failure what
            went wrong, and it is tried again; for a quarantine what the model did on its own probe image, and which
            one takes over; for a trial its policy, its share, or the numbers behind the verdict.
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


class Telling:
    """Events that are being told, oldest first, until it is known whether they were heard.

    Attributes:
        events: they.
        began: when, by the monotonic clock, in seconds.
    """

    def __init__(self, log: EventLog, numbered: list[tuple[int, ModelEvent]]) -> None:
        self._log = log
        self.numbered = numbered
        self.events = [event for _, event in numbered]
        self.began = time.monotonic()

    def confirm(self) -> None:
        """They were heard, and are told to nobody else."""
        self._log.confirm(self)

    def let_go(self) -> None:
        """Nobody will ever confirm them, and they are told no more."""
        self._log.let_go(self)

    def put_back(self, is_certain: bool = True) -> bool:
        """They were not heard: whoever tells next tells them again, in their old order; whether that is so.

        Args:
            is_certain: whether that is known. Otherwise they wait until anybody confirms anything, since where nobody
                ever does they may well have been heard.
        """
        return self._log.put_back(self, is_certain)


class EventLog:
    """Events waiting to be written; any thread adds, any thread tells."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, ModelEvent]] = deque(maxlen=MAX_UNDRAINED)
        self._being_told: dict[Telling, None] = {}
        self._is_confirmed_to = False
        self._numbers = itertools.count()
        self._counts: Counter[str] = Counter()
        self._lock = threading.RLock()  # a finalizer may add in the midst of a drain

    def add(self, event: ModelEvent) -> None:
        """Keeps `event` until it is told."""
        with self._lock:
            self._waiting.append((next(self._numbers), event))
            self._counts[event.event] += 1

    def drain(self) -> list[ModelEvent]:
        """Takes all events for good, oldest first."""
        return self._taken().events

    def tell(self) -> Telling:
        """Takes all events, and those that were told to somebody who has not confirmed them for `LONGEST_TELLING`.

        Where nobody ever confirms anything each event is taken once, unless it is put back.
        """
        with self._lock:
            if self._is_confirmed_to:
                overdue = time.monotonic() - LONGEST_TELLING
                for each in [each for each in self._being_told if each.began <= overdue]:
                    each.put_back()
            telling = self._taken()
            if telling.events:
                self._being_told[telling] = None
                while sum(len(each.events) for each in self._being_told) > MAX_UNDRAINED:
                    next(iter(self._being_told)).let_go()
            return telling

    def confirm(self, telling: Telling) -> None:
        """See `Telling.confirm`."""
        with self._lock:
            self._is_confirmed_to = True
            self.let_go(telling)

    def let_go(self, telling: Telling) -> None:
        """See `Telling.let_go`."""
        with self._lock:
            self._being_told.pop(telling, None)

    def put_back(self, telling: Telling, is_certain: bool) -> bool:
        """See `Telling.put_back`."""
        with self._lock:
            if telling not in self._being_told:
                return False
            if not is_certain and not self._is_confirmed_to:
                telling.began = -math.inf
                return False
            del self._being_told[telling]
            in_order = sorted([*telling.numbered, *self._waiting], key=lambda numbered: numbered[0])
            self._waiting = deque(in_order, maxlen=MAX_UNDRAINED)
            return True

    def unconfirmed(self) -> int:
        """How many tellings are neither confirmed nor put back."""
        return len(self._being_told)

    def waiting(self) -> int:
        """How many events nobody has taken."""
        return len(self._waiting)

    def counts(self) -> Counter[str]:
        """How many events of each kind there ever were."""
        with self._lock:
            return Counter(self._counts)

    def _taken(self) -> Telling:
        with self._lock:
            telling = Telling(self, list(self._waiting))
            self._waiting.clear()
        return telling
