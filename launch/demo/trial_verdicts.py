"""What the demonstration of trials showed: counted from its output files, and printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from launch.demo.report import Judgement, Recorded, judge

Expected = Mapping[str, str]
"""The event that a model's trial must end with, by the model's name."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The whole demonstration in numbers.

    Attributes:
        judgement: what became of the images.
        told: the events that ended trials: the model's name, the event, and why.
        expected: that must be told, and no other.
    """

    judgement: Judgement
    told: tuple[tuple[str, str, str], ...]
    expected: Expected

    @property
    def right(self) -> bool:
        """Whether each model met its end, once."""
        return sorted((name, event) for name, event, _ in self.told) == sorted(self.expected.items())

    @property
    def whole(self) -> bool:
        """Whether no image was lost, answered twice or tagged with another model."""
        found = self.judgement
        return found.lost == found.twice == found.mistagged == found.dead_letters == found.rejected == 0

    @property
    def good(self) -> bool:
        """Both."""
        return self.right and self.whole


def judge_trials(
    recorded: Recorded, labels: Sequence[int], answers: Mapping[str, Sequence[int]], expected: Expected
) -> Verdicts:
    """Counts what was recorded.

    Args:
        recorded: the run's outputs.
        labels: the true class of each image, by its number.
        answers: for each model's name, the class that it gives each image when asked directly; images land round and
            round, so that the list may be shorter than `labels`.
        expected: the event that each trial must end with.
    """
    round_and_round = {name: [own[number % len(own)] for number in range(len(labels))] for name, own in answers.items()}
    told = tuple(
        (event["model_name"], event["event"], event["reason"])
        for event in recorded.events
        if event["event"] in ("trial_promoted", "trial_rolled_back")
    )
    return Verdicts(judge(recorded, labels, round_and_round), told, expected)


def print_verdicts(verdicts: Verdicts, console: Console) -> None:
    """The verdicts, what each model answered, and whether that is good."""
    trials = Table(title="what became of the models")
    for column in ("model", "verdict", "why"):
        trials.add_column(column, overflow="fold")
    for name, event, why in verdicts.told:
        trials.add_section()
        first, *more = why.split("; ")
        trials.add_row(name, event.removeprefix("trial_").replace("_", " "), first)
        for each in more:
            trials.add_row("", "", each)
    console.print(trials)
    models = Table(title="what each model answered")
    for column in ("model_id", "images", "accuracy"):
        models.add_column(column, justify="left" if column == "model_id" else "right", no_wrap=True)
    found = verdicts.judgement
    for row in found.rows:
        models.add_row(row.model_id.rpartition("/")[2], str(row.images), f"{row.accuracy:.1%}")
    console.print(models)
    console.print(
        f"images in {found.images_in}, results out {found.results_out}, dead letters {found.dead_letters}, "
        f"lost {found.lost}, twice {found.twice}, mis-tagged {found.mistagged}"
    )
    console.print("[green]good[/green]" if verdicts.good else "[red]NOT good[/red]")
