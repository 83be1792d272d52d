"""The whole page of one trial, as HTML. Every text in it may be a stranger's: it is escaped, and kept on its line."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined

from launch.trial_report.answers import (
    Accuracy,
    LabelBar,
    Matrix,
    ScorePicture,
    accuracy_of,
    answered_in_words,
    labels_of,
    matrix_of,
    scores_of,
)
from launch.trial_report.criteria import Criterion, criteria_of
from launch.trial_report.images import Gallery, Thumbnails, gallery_of
from launch.trial_report.latency import Times, latency_of
from launch.trial_report.schedule import Schedule, schedule_of
from launch.trial_report.verdict import Verdict, verdict_of
from models.moments import rfc3339
from models.printable import printable
from models.trials.view import TrialView
from models.trials.words import percent
from models.version import VERSION

_PACKAGE = "launch.trial_report"


@dataclass(frozen=True, slots=True)
class Page:
    """What the templates show.

    Attributes:
        number: of the trial.
        over: which trial of which folder, above the headline.
        old, new: the models' names; old_id, new_id: their exact bytes.
        facts: (name, value, a smaller word or "") each.
        made: when and by what the page was made.
    """

    number: int
    over: str
    old: str
    new: str
    old_id: str
    new_id: str
    verdict: Verdict
    facts: Sequence[tuple[str, str, str]]
    criteria: Sequence[Criterion]
    schedule: Schedule
    matrix: Matrix | None
    labels: Sequence[LabelBar]
    scores: ScorePicture | None
    accuracy: Accuracy | None
    latency: Times | None
    images: Gallery
    made: str


def page_of(view: TrialView, pattern: str, registry: str, thumbnails: Thumbnails | None) -> Page:
    """What there is to show of a trial.

    Args:
        view: the trial.
        pattern: of the model files, as typed.
        registry: its address.
        thumbnails: of images; None where none are wanted.
    """
    trial, evidence = view.trial, view.evidence
    return Page(
        trial.number,
        f"Trial {trial.number} of {pattern}",
        trial.old.file_name,
        trial.new.file_name,
        trial.old.model_id,
        trial.new.model_id,
        verdict_of(view, pattern, registry),
        _facts(view),
        criteria_of(view.judgement.findings),
        schedule_of(view),
        matrix_of(evidence),
        labels_of(evidence),
        scores_of(evidence),
        accuracy_of(evidence),
        latency_of(evidence),
        gallery_of(evidence, trial.policy.mode == "shadow", thumbnails),
        _made(view, registry),
    )


def render(page: Page) -> str:
    """The page as one file of HTML that loads nothing and runs nothing."""
    # Read as one text: what the browser digests is what stands between the tags.
    style = files(_PACKAGE).joinpath("templates/report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    environment = Environment(
        loader=PackageLoader(_PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_on_its_line,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(page=page, style=style, style_digest=digest)


def _on_its_line(value: object) -> object:
    """Whatever strangers named is shown as `printable`: it turns no text around, and hides nothing."""
    return printable(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _facts(view: TrialView) -> list[tuple[str, str, str]]:
    trial, ended = view.trial, view.ended
    new, without = answered_in_words(view.evidence.new)
    old, old_without = answered_in_words(view.evidence.old)
    facts = [
        ("new model answered", new, without),
        ("old model answered", old, old_without),
        ("policy", str(trial.policy), f"{percent(trial.now.share)} of the images in step {trial.step + 1}"),
        ("begun", _moment(trial.begun), f"by {trial.by}"),
    ]
    if ended is not None:
        facts.append(("ended", _moment(ended.time), f"by {ended.by}"))
    return facts


def _made(view: TrialView, registry: str) -> str:
    return f"Made by hotswap {VERSION} at {rfc3339()[:19]}Z from {registry}."


def _moment(time: str) -> str:
    """RFC 3339 without what nobody reads; as it is where it is something else."""
    return f"{time[:10]} {time[11:19]} UTC" if len(time) >= 20 and time[10] == "T" else time
