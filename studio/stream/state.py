"""How the stream is, in words for the page, and who is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True)
class LiveModel:
    """The model that answers now.

    Attributes:
        model_id: the reference of its exact bytes.
        name: of its card.
        since: RFC 3339, UTC.
    """

    model_id: str
    name: str
    since: str


Word = Literal["starting", "running", "restarting", "stopped"]


@dataclass(frozen=True, slots=True)
class StreamState:
    """The stream at one moment.

    Attributes:
        word: `running` once a model is live and messages are read; `restarting` after the job ended by itself.
        detail: a line for people: what is awaited, or why the job ended; "" while all is well.
        live: the last model that was known to answer.
        swaps: how often a model took over from another.
        results, dead_letters: how many came, each asked drawing once.
    """

    word: Word
    detail: str
    live: LiveModel | None
    swaps: int
    results: int
    dead_letters: int


NO_ANSWER = "no_answer"
"""The `error` of a dead letter that the studio itself writes: the job never answered."""


class StreamListener(Protocol):
    """Whoever wants to know. Called from threads of the stream's, one record at a time of each kind, and soon back."""

    def result(self, record: Mapping[str, Any]) -> None:
        """A whole result; its attributes are those that `ask` was given, and none where a stranger's message asked."""

    def dead_letter(self, record: Mapping[str, Any]) -> None:
        """A whole dead letter, with attributes in the same way."""

    def model_event(self, record: Mapping[str, Any], swapped: bool) -> None:
        """A whole model event; whether by it a model took over from another."""

    def changed(self) -> None:
        """The stream's `state` is otherwise."""
