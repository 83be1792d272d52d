"""True labels and the answers of tried images, brought together by the ids of their messages, whichever comes first."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from models.trials.evidence import Side
from models.trials.gathering import Gathering
from models.trials.gist import Gist
from models.trials.tried import Tried

KEPT_SECONDS = 3600.0
"""How long an answer waits for its label, and a label for its answer."""
_MOST_KEPT = 100_000
_MOST_EARLY = 1000


class AnswerGiven(NamedTuple):
    """What was answered to an image of a trial, in short.

    Attributes:
        number: of the trial.
        side: whose answer was the result.
        label: of it.
        other: the label of the other model in a shadow; None in a canary, and where that one has no answer.
    """

    number: int
    side: Side
    label: str
    other: str | None


def answer_given(tried: Tried, said: Gist) -> AnswerGiven | None:
    """An answer as it waits for its label; None for one of a task without labels."""
    if said.label is None:
        return None
    return AnswerGiven(tried.number, tried.side, said.label, tried.other.label if tried.other else None)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is known of one image. What comes again changes nothing: the first label counts, and the first answer of the
    latest trial that it was answered in.

    Attributes:
        answer: None until it is there.
        label: the true one; None until it is there.
    """

    answer: AnswerGiven | None = None
    label: str | None = None

    def joined_by(self, came: AnswerGiven | str) -> Waiting:
        """The same, once an answer or a label came."""
        if isinstance(came, str):
            return replace(self, label=came) if self.label is None else self
        return replace(self, answer=came) if self.answer is None or self.answer.number < came.number else self

    @property
    def is_whole(self) -> bool:
        """Whether both are there."""
        return self.answer is not None and self.label is not None


class Meeting:
    """Answers and labels that wait for each other in this process, for an hour and 100,000 images at most.

    Threads may use it side by side.

    Args:
        seconds: that each image is remembered from the first that is heard of it.
        most: images that are remembered; the oldest goes first.
        clock: seconds that never go back.
    """

    def __init__(
        self, seconds: float = KEPT_SECONDS, most: int = _MOST_KEPT, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: OrderedDict[str, tuple[float, Waiting]] = OrderedDict()
        self._early: deque[Waiting] = deque(maxlen=_MOST_EARLY)

    def __len__(self) -> int:
        """How many images are remembered."""
        with self._lock:
            return len(self._waiting)

    def join(self, message_id: str, came: AnswerGiven | str) -> Waiting | None:
        """Takes in an answer or a label; what is known of the image if that made it whole just now, else None."""
        now = self._clock()
        with self._lock:
            while self._waiting and self._oldest() < now - self._seconds:
                self._waiting.popitem(last=False)
            since, before = self._waiting.get(message_id, (now, Waiting()))
            after = before.joined_by(came)
            self._waiting[message_id] = (since, after)
            if len(self._waiting) > self._most:
                self._waiting.popitem(last=False)
            return after if after.is_whole and after is not before else None

    def due(self, image: Waiting, number: int | None) -> list[Waiting]:
        """What can be noted now: this image, and those before that came before this process knew of their trial.

        Args:
            image: whole.
            number: of the trial under way in this process; None while it knows of none.
        """
        with self._lock:
            self._early.append(image)
            if number is None:
                return []
            due = [each for each in self._early if each.answer is not None and each.answer.number <= number]
            self._early = deque((each for each in self._early if each not in due), maxlen=_MOST_EARLY)
            return due

    def _oldest(self) -> float:
        return next(iter(self._waiting.values()))[0]


def note_label(gathering: Gathering, image: Waiting) -> bool:
    """Notes who was right of the trial under way; whether that was so: of one that is over nobody asks any more.

    In a shadow an image counts where both models answered it.

    Args:
        gathering: of this process.
        image: whole.
    """
    trial, answer = gathering.trial, image.answer
    if trial is None or answer is None or trial.number != answer.number:
        return False
    is_right = answer.label == image.label
    if trial.mode == "canary":
        with gathering.noting(trial) as evidence:
            evidence.labelled(answer.side, is_right)
        return True
    if answer.other is None:
        return False
    with gathering.noting(trial) as evidence:
        evidence.labelled_both(is_right, answer.other == image.label)
    return True
