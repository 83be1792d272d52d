"""The books of a run: what became of every message that was read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from transforms import metrics


@dataclass(frozen=True, slots=True)
class Books:
    """What became of every message that was read; a result or dead letter counts once it is written."""

    messages_in: int = 0
    results: int = 0
    dead_letters: int = 0
    skipped: int = 0

    @property
    def open(self) -> int:
        """Messages that were read and have no outcome yet."""
        return self.messages_in - self.results - self.dead_letters - self.skipped

    def __str__(self) -> str:
        parts = f"{self.messages_in} in = {self.results} results + {self.dead_letters} dead letters"
        return f"{parts} + {self.skipped} skipped" + (f" + {self.open} UNFINISHED" if self.open else "")


def books_of(counts: Counter[str]) -> Books:
    """The books that these counts make."""
    return Books(
        messages_in=counts[metrics.MESSAGES_IN],
        results=counts[metrics.RESULTS_WRITTEN],
        dead_letters=counts[metrics.DEAD_LETTERS_WRITTEN],
        skipped=counts[metrics.NOTIFICATIONS_SKIPPED],
    )


def details_of(counts: Counter[str]) -> dict[str, str]:
    """What the books sum up, for a person: answers of each model, dead letters of each stage and error."""
    by_model = _named(counts, metrics.BY_MODEL_PREFIX)
    letters = _named(counts, metrics.DEAD_LETTERS_PREFIX)
    letters.pop(metrics.DEAD_LETTERS_WRITTEN.removeprefix(metrics.DEAD_LETTERS_PREFIX), None)
    found = {"answered by": by_model, "dead letters": letters}
    return {
        what: ", ".join(f"{amount} {name}" for name, amount in sorted(named.items()))
        for what, named in found.items()
        if named
    }


def _named(counts: Counter[str], prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): amount for name, amount in counts.items() if name.startswith(prefix)}
