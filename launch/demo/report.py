"""What the demonstration showed: counted from its output files, and printed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from launch.local.result_stream import seconds_to_prediction


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the run wrote down, and when (seconds since the epoch) each model file landed."""

    results: Sequence[Mapping[str, Any]]
    dead_letters: Sequence[Mapping[str, Any]]
    events: Sequence[Mapping[str, Any]]
    landed: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ModelRow:
    """How one model did; p50 and p99 are of the seconds from publishing to predicting."""

    model_id: str
    images: int
    accuracy: float
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """The whole demonstration in numbers."""

    rows: tuple[ModelRow, ...]
    images_in: int
    results_out: int
    dead_letters: int
    lost: int
    twice: int
    mistagged: int
    rejected: int
    landing_to_result: float | None

    @property
    def good(self) -> bool:
        """Nothing lost, twice or mis-tagged; the bad file rejected, and the better model better."""
        whole = self.lost == self.twice == self.mistagged == self.dead_letters == 0
        better = len(self.rows) == 2 and self.rows[1].accuracy > self.rows[0].accuracy
        return whole and better and self.rejected == 1


def judge(recorded: Recorded, labels: Sequence[int], answers: Mapping[str, Sequence[int]]) -> Judgement:
    """Counts what was recorded.

    Args:
        recorded: the run's outputs.
        labels: the true class of each image, by its number.
        answers: for each model's name, the class that it gives each image when asked directly.
    """
    seen = Counter(_number(record) for record in [*recorded.results, *recorded.dead_letters])
    mistagged = sum(not _is_true(record, answers) for record in recorded.results)
    by_model: dict[str, list[Mapping[str, Any]]] = {}
    for record in recorded.results:
        by_model.setdefault(record["model_id"], []).append(record)
    first_new = [_moment(r["predict_time"]) for r in recorded.results if r["model_name"] == "all"]
    return Judgement(
        rows=tuple(_row(model_id, records, labels) for model_id, records in by_model.items()),
        images_in=len(labels),
        results_out=len(recorded.results),
        dead_letters=len(recorded.dead_letters),
        lost=len(labels) - len(seen),
        twice=sum(count - 1 for count in seen.values()),
        mistagged=mistagged,
        rejected=sum(event["event"] == "rejected" for event in recorded.events),
        landing_to_result=min(first_new) - recorded.landed["all"] if first_new else None,
    )


def _is_true(record: Mapping[str, Any], answers: Mapping[str, Sequence[int]]) -> bool:
    """Whether the model that the result names really gives this answer."""
    own = answers.get(record["model_name"])
    return own is not None and own[_number(record)] == record["class_index"]


def _row(model_id: str, records: Sequence[Mapping[str, Any]], labels: Sequence[int]) -> ModelRow:
    seconds = [seconds_to_prediction(record) for record in records]
    right = sum(record["class_index"] == labels[_number(record)] for record in records)
    p50, p99 = np.percentile(seconds, (50, 99))
    return ModelRow(model_id, len(records), right / len(records), float(p50), float(p99))


def _number(record: Mapping[str, Any]) -> int:
    return int(Path(record["image"]).stem)


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def print_report(judgement: Judgement, console: Console) -> None:
    """The judgement as two tables."""
    models = Table(title="what each model answered")
    for column in ("model_id", "images", "accuracy", "p50", "p99"):
        models.add_column(column, justify="left" if column == "model_id" else "right", no_wrap=True)
    for row in judgement.rows:
        short = row.model_id.rpartition("/")[2]
        models.add_row(short, str(row.images), f"{row.accuracy:.1%}", f"{row.p50:.2f} s", f"{row.p99:.2f} s")
    console.print(models)
    landing = judgement.landing_to_result
    facts = {
        "from file landing to its first result": f"{landing:.1f} s" if landing is not None else "never",
        "images in": str(judgement.images_in),
        "results out": str(judgement.results_out),
        "dead letters": str(judgement.dead_letters),
        "lost": str(judgement.lost),
        "twice": str(judgement.twice),
        "mis-tagged": str(judgement.mistagged),
        "models rejected": str(judgement.rejected),
    }
    table = Table(show_header=False)
    for name, value in facts.items():
        table.add_row(name, value)
    console.print(table)
    console.print("[green]good[/green]" if judgement.good else "[red]NOT good[/red]")
