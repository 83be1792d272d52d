"""What was asked of the stream and is not answered yet."""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

MARK = "studio_asked"
"""The attribute of a message by which its answer is known again."""
MOST_WAITING = 10_000
_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Question:
    """An image that waits for its answer.

    Attributes:
        image: its path.
        attributes: of its message, the mark included.
        first_asked, asked_at: when it was asked first and last, by the monotonic clock, in seconds.
    """

    image: str
    attributes: Mapping[str, str]
    first_asked: float
    asked_at: float


class Whose(Enum):
    """What a record of the job is to us."""

    ASKED = "asked"
    STRANGERS = "a stranger's"
    KNOWN = "known already"


class Asked:
    """Any thread may use it. Its memory is bounded.

    Args:
        now: a clock that never goes back, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._ours = uuid.uuid4().hex[:12]
        self._numbers = itertools.count(1)
        self._waiting: OrderedDict[str, Question] = OrderedDict()
        self._heard: OrderedDict[str, None] = OrderedDict()
        self._heard_at = now()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, image: str, attributes: Mapping[str, str]) -> Question | None:
        """Another one, to be published now; None where too many wait."""
        with self._lock:
            if len(self._waiting) >= MOST_WAITING:
                return None
            now, mark = self._now(), f"{self._ours}-{next(self._numbers)}"
            question = Question(image, {**attributes, MARK: mark}, now, now)
            self._waiting[mark] = question
            return question

    def drop(self, question: Question) -> None:
        """Nobody waits for it any more."""
        with self._lock:
            self._waiting.pop(question.attributes[MARK], None)

    def take(self, record: Mapping[str, Any]) -> Whose:
        """What a result or dead letter, as the job wrote it, is; it is no longer waited for, and known from now on."""
        attributes = record.get("attributes")
        mark = attributes.get(MARK) if isinstance(attributes, Mapping) else None
        with self._lock:
            self._heard_at = self._now()
            if isinstance(mark, str) and mark:
                # Of a studio before this one, too: who asked there waits no more.
                return Whose.ASKED if self._waiting.pop(mark, None) else Whose.KNOWN
            return Whose.STRANGERS if self._is_new(str(record.get("message_id", ""))) else Whose.KNOWN

    def is_new(self, message_id: str) -> bool:
        """Whether a message was never seen, so far as that is remembered; it is known from now on."""
        with self._lock:
            return self._is_new(message_id)

    def due(self, seconds: float) -> list[Question]:
        """Those that were asked so many seconds ago or longer, oldest first; they count as asked now."""
        now = self._now()
        with self._lock:
            found = [each for each in self._waiting.values() if now - each.asked_at >= seconds]
            for each in found:
                self._waiting[each.attributes[MARK]] = replace(each, asked_at=now)
            return found

    def silence(self) -> float:
        """For how many seconds somebody has waited and nobody was answered."""
        with self._lock:
            if not self._waiting:
                return 0.0
            return self._now() - max(self._heard_at, next(iter(self._waiting.values())).first_asked)

    def _is_new(self, message_id: str) -> bool:
        if not message_id:
            return True
        if message_id in self._heard:
            return False
        self._heard[message_id] = None
        if len(self._heard) > _MOST_REMEMBERED:
            self._heard.popitem(last=False)
        return True
