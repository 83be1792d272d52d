"""What is kept of corrections, readings and runs, as others see it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NewCorrection:
    """What somebody says of a drawing.

    Attributes:
        drawing: its id.
        png: its image.
        label: the digit that it is, 0 to 9.
        answer: what the model said; None where it said nothing yet.
        score: how sure it was, 0 to 1.
        model_id: the model.
        browser: whose drawing it is.
    """

    drawing: str
    png: bytes
    label: int
    answer: str | None
    score: float | None
    model_id: str | None
    browser: str


@dataclass(frozen=True, slots=True)
class Correction:
    """One that is kept. The fields of `NewCorrection`, and:

    Attributes:
        number: grows with each.
        unseen: whether models are judged by it, and never learn from it.
        time: when it was made or changed last, RFC 3339 in UTC.
    """

    number: int
    drawing: str
    png: bytes
    label: int
    answer: str | None
    score: float | None
    model_id: str | None
    browser: str
    unseen: bool
    time: str


@dataclass(frozen=True, slots=True)
class Counts:
    """How many corrections there are; those that were taken back count nowhere.

    Attributes:
        total: all.
        seen: models learn from.
        unseen: models are judged by.
        since_run: were made or changed, in whatever studio, since the last run of this one began.
        by_label: of each digit, 0 to 9.
    """

    total: int
    seen: int
    unseen: int
    since_run: int
    by_label: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How many of the corrected drawings that a model was asked for it reads right, of each side."""

    model_id: str
    seen_right: int
    seen: int
    unseen_right: int
    unseen: int


@dataclass(frozen=True, slots=True)
class Run:
    """A retraining.

    Attributes:
        number: grows with each.
        pipeline: of Kedro's.
        started: RFC 3339 in UTC.
        ended: likewise; None while it runs.
        state: `running`, or what came of it.
        reason: a word for why.
        detail: for people.
        model_id: what it published.
        corrections: how many there were when it began.
    """

    number: int
    pipeline: str
    started: str
    ended: str | None
    state: str
    reason: str
    detail: str
    model_id: str | None
    corrections: int
