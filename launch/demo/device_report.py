"""What the demonstration with devices showed: counted from what they wrote and what the fleet says, and printed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Traffic:
    """What devices asked of the fleet's server, and were sent.

    Attributes:
        polls: all of them.
        unchanged: of them those that were answered with headers alone.
        sent: bytes of components.
    """

    polls: int
    unchanged: int
    sent: int


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is known at the end.

    Attributes:
        results: the results and dead letters of each device, as it wrote them.
        refused: of each device that gave up the broken component: why, in its own words.
        rollout: what became of the broken component's rollout, in a line.
        traffic: of the fleet's server.
    """

    results: Mapping[str, Sequence[Mapping[str, Any]]]
    refused: Mapping[str, str]
    rollout: str
    traffic: Traffic


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """How one model did on one device; the moments are as its first and last result tell them."""

    device: str
    model: str
    began: str
    ended: str
    images: int
    accuracy: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """The whole demonstration in numbers."""

    rows: tuple[DeviceRow, ...]
    images_in: int
    results_out: int
    dead_letters: int
    lost: int
    refused: Mapping[str, str]
    rollout: str
    traffic: Traffic

    @property
    def good(self) -> bool:
        """Nothing was lost, each device got better, and the broken component came to one device, and to no use."""
        whole = self.lost == self.dead_letters == 0
        devices = {row.device for row in self.rows}
        each = [[row.accuracy for row in self.rows if row.device == device] for device in devices]
        better = all(len(accuracies) == 2 and accuracies[1] > accuracies[0] for accuracies in each)
        return whole and better and len(self.refused) == 1


def judge(recorded: Recorded, labels: Sequence[int]) -> Judgement:
    """Counts what was recorded.

    Args:
        recorded: by the devices and the fleet.
        labels: the true class of each image, by its number.
    """
    answered = {device: [each for each in of if "error" not in each] for device, of in recorded.results.items()}
    seen = {_number(each) for of in recorded.results.values() for each in of}
    results_out = sum(map(len, answered.values()))
    return Judgement(
        tuple(row for device, of in answered.items() for row in _rows(device, of, labels)),
        len(labels),
        results_out,
        sum(map(len, recorded.results.values())) - results_out,
        len(labels) - len(seen),
        recorded.refused,
        recorded.rollout,
        recorded.traffic,
    )


def _rows(device: str, results: Sequence[Mapping[str, Any]], labels: Sequence[int]) -> Iterator[DeviceRow]:
    by_model: dict[str, list[Mapping[str, Any]]] = {}
    for each in results:
        by_model.setdefault(each["model_id"], []).append(each)
    for model_id, of in by_model.items():
        right = sum(each["class_index"] == labels[_number(each)] for each in of)
        moments = [str(each["predict_time"])[11:19] for each in of]
        yield DeviceRow(device, _short(model_id), moments[0], moments[-1], len(of), right / len(of))


def _short(model_id: str) -> str:
    """The file's name, and the digest's first digits."""
    name, _, digest = model_id.rpartition("/")[2].rpartition("@sha256:")
    return f"{name}@{digest[:6]}"


def _number(record: Mapping[str, Any]) -> int:
    return int(Path(record["image"]).stem)


def print_report(judgement: Judgement, console: Console) -> None:
    """The judgement as two tables."""
    models = Table(title="who ran what, and when (UTC)")
    for column in ("device", "model", "from", "until", "images", "accuracy"):
        models.add_column(column, justify="right" if column in ("images", "accuracy") else "left", no_wrap=True)
    for row in judgement.rows:
        models.add_row(row.device, row.model, row.began, row.ended, str(row.images), f"{row.accuracy:.1%}")
    console.print(models)
    traffic = judgement.traffic
    facts = {
        "images in, results out, lost": f"{judgement.images_in}, {judgement.results_out}, {judgement.lost}",
        "polls; of them unchanged, at no cost": f"{traffic.polls}; {traffic.unchanged}",
        "bytes of components sent": f"{traffic.sent:,}",
        "the broken component's rollout": judgement.rollout,
    }
    table = Table(show_header=False)
    for name, value in facts.items():
        table.add_row(name, value)
    for device, why in judgement.refused.items():
        table.add_row(f"{device} gave it up", why)
    console.print(table)
    console.print("[green]good[/green]" if judgement.good else "[red]NOT good[/red]")
