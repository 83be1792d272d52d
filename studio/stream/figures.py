"""The stream in figures, for the last hour: how many, how fast, in which batches, which models, and what went wrong."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from models.errors import one_line
from studio.places import Places
from studio.stream.dead_letters import DeadLetters
from studio.stream.seconds import KEPT_SECONDS, Seconds

KEPT_EVENTS = 200

_TEXTS = ("event", "model_id", "model_name", "reason", "time", "worker")
_LONGEST = 500
_MOST = 3_600_000.0


class Figures:
    """Any thread may use it. Its memory does not grow: arrays of an hour's seconds, and 200 of whatever is listed.

    Args:
        places: images below its `drawings` and `images` alone are shown.
        now: the wall clock, in seconds.
    """

    def __init__(self, places: Places, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._seconds = Seconds(now())
        self._dead_letters = DeadLetters((places.drawings, places.images))
        self._events: deque[dict[str, Any]] = deque(maxlen=KEPT_EVENTS)
        self._swaps: deque[dict[str, Any]] = deque(maxlen=KEPT_EVENTS)

    def take_result(self, record: Mapping[str, Any]) -> None:
        """A result that has just arrived.

        Its way is told from its message's `publish_time`. All results of one batch of one process have the same
        `predict_time`, to the microsecond.
        """
        now = self._now()
        published = _moment(record.get("publish_time"))
        way = None if published is None else min(max(0.0, 1000 * (now - published)), _MOST)
        batch = str(record.get("model_id", ""))[:_LONGEST], str(record.get("predict_time", ""))[:_LONGEST]
        with self._lock:
            self._seconds.take_result(now, way, batch)

    def take_dead_letter(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """A dead letter that has just arrived; as `history` will tell of it."""
        now = self._now()
        told = self._dead_letters.take(record, now)
        with self._lock:
            self._seconds.take_dead_letter(now)
        return told

    def take_event(self, record: Mapping[str, Any], swapped: bool) -> dict[str, Any]:
        """A model event that has just arrived.

        Args:
            record: the event.
            swapped: whether by it a model took over from another (`studio.stream.standing` knows).

        Returns:
            It, as `history` will tell of it, with `swap`.
        """
        event: dict[str, Any] = {name: one_line(record[name], _LONGEST) if record.get(name) else "" for name in _TEXTS}
        seconds = record.get("seconds")
        event["seconds"] = seconds if isinstance(seconds, int | float) and abs(seconds) < _MOST else 0.0
        event["swap"] = swapped
        moment = _moment(event["time"])
        with self._lock:
            self._events.appendleft(event)
            if swapped:
                self._swaps.append({
                    "time": self._now() if moment is None else moment,
                    "model_id": event["model_id"],
                    "name": event["model_name"],
                })  # fmt: skip
        return event

    def history(self) -> dict[str, Any]:
        """The last hour, as JSON: `columns`, `swaps`, `events`, `dead_letters` and `words`."""
        now = self._now()
        with self._lock:
            self._seconds.roll(now)
            columns = self._seconds.columns()
            swaps = [each for each in self._swaps if each["time"] >= now - KEPT_SECONDS]
            events = list(self._events)
        return {
            "columns": columns,
            "swaps": swaps,
            "events": events,
            "dead_letters": self._dead_letters.latest(),
            "words": self._dead_letters.words(now),
        }

    def second(self) -> dict[str, Any]:
        """The last whole second, as JSON: `time`, `results`, `dead_letters`, `p50`, `p99` (ms) and `batch`."""
        with self._lock:
            self._seconds.roll(self._now())
            return self._seconds.last()

    def picture(self, number: str) -> bytes | None:
        """The image of a dead letter by its id, as PNG; None where there is none to show."""
        return self._dead_letters.picture(number)


def _moment(text: Any) -> float | None:
    """Seconds of the wall clock; None for what is no moment."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
