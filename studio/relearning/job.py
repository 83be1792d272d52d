"""What a run's process is told on its standard input, and what it tells on its standard output: lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.errors import one_line

_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be run.

    Attributes:
        pipeline: its name in `studio.retraining`.
        parameters: that change its own for this run, by dotted names (`tuning.epochs`), as of `kedro run --params`.
    """

    pipeline: str
    parameters: Mapping[str, Any]

    def to_line(self) -> str:
        """A line that tells it."""
        return json.dumps({"pipeline": self.pipeline, "parameters": dict(self.parameters)}) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Job:
        """What such a line tells.

        Raises:
            ValueError, KeyError: it is none.
        """
        told = json.loads(line)
        return cls(told["pipeline"], told["parameters"])


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        stage: the step, by its name in the pipelines.
        part: of it that is done, 0..1.
        line: what is done now; may be empty.
    """

    stage: str
    part: float
    line: str


@dataclass(frozen=True, slots=True)
class Failed:
    """What a run ended with.

    Attributes:
        error: its name, or a word of `outcomes.Failure`.
        detail: one line.
    """

    error: str
    detail: str

    def to_line(self) -> str:
        """A line that tells it."""
        return json.dumps({"error": self.error, "detail": self.detail}) + "\n"


def read_told(line: str) -> Progress | Failed | None:
    """What a line of a run tells; None where it is none."""
    try:
        told = json.loads(line)
        if "error" in told:
            return Failed(str(told["error"]), one_line(told["detail"], _LONGEST))
        part = min(max(float(told["part"]), 0.0), 1.0)
        # A step that has said nothing yet has an empty line.
        return Progress(str(told["stage"]), part, told["line"] and one_line(told["line"], _LONGEST))
    except (ValueError, TypeError, KeyError):
        return None
