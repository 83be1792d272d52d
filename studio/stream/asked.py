"""What was asked of the stream and is not answered yet: when it is asked again, and when it is given up."""

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
MOST_TRIES = 4
MOST_AT_ONCE = 100
"""So many are asked again at one look, so that they hold up nobody who asks now."""
AGAIN_SECONDS = 15.0
"""From the first asking to the second; twice as long to the third, and so on."""
PATIENCE_SECONDS = 300.0
"""For which a stream that runs may owe an answer."""
_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Question:
    """An image that waits for its answer.

    Attributes:
        image: its path.
        attributes: of its message, the mark included.
        first_asked, asked_at: when it was asked first and last, by the monotonic clock, in seconds.
        tries: how often it was asked.
        is_probe: nobody but the stream itself waits for it.
    """

    image: str
    attributes: Mapping[str, str]
    first_asked: float
    asked_at: float
    tries: int = 1
    is_probe: bool = False


class Whose(Enum):
    """What a record of the job is to us."""

    ASKED = "asked"
    STRANGERS = "a stranger's"
    KNOWN = "known already"


class Asked:
    """Any thread may use it. Its memory is bounded.

    A question is asked again where its message seems lost: something that was asked later was answered, or the job
    ended after it was asked. A stream that is merely slow is asked nothing twice.

    Args:
        now: a clock that never goes back, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._ours = uuid.uuid4().hex[:12]
        self._numbers = itertools.count(1)
        # By when they were asked last.
        self._waiting: OrderedDict[str, Question] = OrderedDict()
        self._heard: OrderedDict[str, None] = OrderedDict()
        self._heard_at = now()
        self._answered_until = self._lost_until = float("-inf")

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def images(self) -> frozenset[str]:
        """The images that wait for their answers."""
        with self._lock:
            return frozenset(each.image for each in self._waiting.values())

    def add(self, image: str, attributes: Mapping[str, str]) -> Question | None:
        """Another one, to be published now; None where too many wait."""
        with self._lock:
            if len(self._waiting) >= MOST_WAITING:
                return None
            return self._add(image, attributes)

    def probe(self, image: str, seconds: float) -> Question | None:
        """One that shows whether the stream still answers, to be published now.

        None unless somebody waits, and for so many seconds nothing was asked and nobody was answered.
        """
        with self._lock:
            newest = next(reversed(self._waiting.values()), None)
            if newest is None or self._now() - max(newest.asked_at, self._heard_at) < seconds:
                return None
            return self._add(image, {}, is_probe=True)

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
                question = self._waiting.pop(mark, None)
                if question is None:  # of a studio before this one, too: who asked there waits no more
                    return Whose.KNOWN
                self._answered_until = max(self._answered_until, question.asked_at)
                return Whose.KNOWN if question.is_probe else Whose.ASKED
            return Whose.STRANGERS if self._is_new(str(record.get("message_id", ""))) else Whose.KNOWN

    def is_new(self, message_id: str) -> bool:
        """Whether a message was never seen, so far as that is remembered; it is known from now on."""
        with self._lock:
            return self._is_new(message_id)

    def job_ended(self) -> None:
        """What was asked until now may have ended with the job; what is asked from now on waits for the next."""
        with self._lock:
            self._lost_until = self._now()
            for mark in [mark for mark, each in self._waiting.items() if each.is_probe]:
                del self._waiting[mark]

    def due(self) -> list[Question]:
        """Those to be asked again, the longest asked first, a hundred at most; they count as asked now."""
        now = self._now()
        found: list[Question] = []
        with self._lock:
            for each in self._waiting.values():
                if len(found) == MOST_AT_ONCE or not self._is_lost(each):
                    break
                if self._is_due(each, now) and each.tries < MOST_TRIES:
                    found.append(replace(each, asked_at=now, tries=each.tries + 1))
            for each in found:
                mark = each.attributes[MARK]
                self._waiting[mark] = each
                self._waiting.move_to_end(mark)
        return found

    def given_up(self, running_seconds: float) -> list[Question]:
        """Those that get no answer any more, a hundred at most; they are not waited for from now on.

        Args:
            running_seconds: since when the job runs; what waits for it has time.
        """
        now = self._now()
        oldest = now - PATIENCE_SECONDS if running_seconds >= PATIENCE_SECONDS else float("-inf")
        with self._lock:
            found = [
                each
                for each in self._waiting.values()
                if each.first_asked < oldest or (each.tries >= MOST_TRIES and self._is_due(each, now))
            ][:MOST_AT_ONCE]
            for each in found:
                del self._waiting[each.attributes[MARK]]
        return [each for each in found if not each.is_probe]

    def silence(self) -> float:
        """For how many seconds somebody has waited and nobody was answered."""
        with self._lock:
            if not self._waiting:
                return 0.0
            waits_since = min(each.first_asked for each in self._waiting.values())
            return self._now() - max(self._heard_at, waits_since)

    def _add(self, image: str, attributes: Mapping[str, str], is_probe: bool = False) -> Question:
        now, mark = self._now(), f"{self._ours}-{next(self._numbers)}"
        question = Question(image, {**attributes, MARK: mark}, now, now, is_probe=is_probe)
        self._waiting[mark] = question
        return question

    def _is_due(self, each: Question, now: float) -> bool:
        """Whether it seems lost, and has had its time unless it ended with the job."""
        if each.is_probe or not self._is_lost(each):
            return False
        return each.asked_at <= self._lost_until or now - each.asked_at >= AGAIN_SECONDS * 2 ** (each.tries - 1)

    def _is_lost(self, each: Question) -> bool:
        return each.asked_at < self._answered_until or each.asked_at <= self._lost_until

    def _is_new(self, message_id: str) -> bool:
        if not message_id:
            return True
        if message_id in self._heard:
            return False
        self._heard[message_id] = None
        if len(self._heard) > _MOST_REMEMBERED:
            self._heard.popitem(last=False)
        return True
