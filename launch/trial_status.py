"""How a trial is told on a terminal: what is tried, how far it is, each limit, and what came of those before."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from launch.model_report import count_in_words
from launch.printing import say
from launch.trial_words import (
    OUTCOMES,
    STANDINGS,
    in_its_unit,
    interval_of,
    limit_of,
    minutes_in_words,
    name_of,
    step_in_words,
)
from models.errors import one_line
from models.printable import printable
from models.trials.judging import Finding
from models.trials.trial import EndedTrial
from models.trials.view import TrialView

_STYLES = {"proved": "green", "worse": "bold red", "open": "yellow", "unjudged": "dim"}
_OUTCOME_STYLES = {"promoted": "green", "rolled_back": "red"}
_SO_FAR = {
    "proved": "every limit is proved to be kept",
    "worse": "a limit is broken",
    "open": "not decided yet",
}
_LONGEST_WHY = 120
"""Characters of a reason, on a terminal."""
SHOWN_ENDED = 5
"""Trials that are over, the last ones."""


def print_trial(console: Console, view: TrialView) -> None:
    """The trial that is under way."""
    trial, images = view.trial, view.judgement.images
    steps, over = len(trial.policy.steps), minutes_in_words(round(view.seconds))
    rows = {
        "tried": f"{trial.new.file_name}  {trial.new.model_id}",
        "against": f"{trial.old.file_name}  {trial.old.model_id}",
        "since": f"{trial.begun[:19]}Z, begun by {trial.by}",
        "policy": f"{trial.policy}, trial {trial.number}",
        "step": f"{trial.step + 1} of {steps}: {step_in_words(trial.now)}, {over} of it are over",
        "asked": f"the new model {count_in_words(images.get('new', 0), 'image')}, the old one {images.get('old', 0):,}",
        "so far": _SO_FAR[view.judgement.decision],
    }
    for name, value in rows.items():
        if console.is_terminal:
            console.print(f"[bold]{name:<9}[/] {escape(printable(value))}", highlight=False, soft_wrap=True)
        else:
            _print_tabbed(name, value)
    _print_findings(console, view.judgement.findings)
    for reasons, what in (
        (view.evidence.not_loaded_because, "could not load it, and answered by the old model"),
        (view.evidence.unfit_because, "gave it up"),
    ):
        for (why,), count in reasons.items():
            say(f"{'once' if count == 1 else f'{count:,} times'} a process {what}: {why}")


def print_ended(console: Console, ended: Sequence[EndedTrial]) -> None:
    """The last trials that are over, newest first."""
    if not ended:
        return
    table = Table(
        "trial", "model", "against", "outcome", "ended", "by", "why", box=None, pad_edge=False, title_justify="left"
    )
    for each in ended[:SHOWN_ENDED]:
        outcome = OUTCOMES[each.outcome] + (
            ", may be tried again" if each.again and each.outcome == "rolled_back" else ""
        )
        row = (
            str(each.trial.number),
            each.trial.new.file_name,
            each.trial.old.file_name,
            outcome,
            each.time[:19],
            each.by,
            each.why,
        )
        if console.is_terminal:
            # What decided comes first in a reason; all of it is in the report.
            table.add_row(
                *map(escape, (*row[:-1], one_line(each.why, _LONGEST_WHY))), style=_OUTCOME_STYLES[each.outcome]
            )
        else:
            _print_tabbed("ended", *row)
    if console.is_terminal:
        console.print()
        console.print(table)


def _print_findings(console: Console, findings: Sequence[Finding]) -> None:
    table = Table("limit", "seen", "lies in", "must be", "", "", box=None, pad_edge=False)
    for each in findings:
        row = (
            name_of(each),
            in_its_unit(each, each.value),
            interval_of(each),
            limit_of(each),
            STANDINGS[each.decision],
            each.text,
        )
        if console.is_terminal:
            shown = row[:-1] if interval_of(each) else row
            table.add_row(*map(escape, shown), style=_STYLES[each.decision])
        else:
            _print_tabbed("limit", *row)
    if console.is_terminal and findings:
        console.print()
        console.print(table)


def _print_tabbed(*fields: str) -> None:
    """A line for programs that read lines."""
    print("\t".join(map(printable, fields)))
