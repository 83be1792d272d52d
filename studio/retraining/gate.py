"""Whether a candidate is published: only where it is better, and then by the project's own release."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from models.artefacts import DEFAULT_ENGINE, DEFAULT_LARGEST_BATCH
from models.card_fields import MAX_LABEL
from models.errors import ModelRejected
from models.moments import rfc3339
from models.printable import logger, printable
from models.releasing import release
from models.storage.schemes import AnyStorage
from models.vetting.session import vetting
from studio.retraining.digits import Digits
from studio.retraining.networks import INPUT, LABELS
from studio.retraining.parents import live_model
from studio.retraining.progress import PART
from studio.retraining.scores import Score, Scores, scores_of_vetted

_LOGGER = logger(__name__)


class Word(StrEnum):
    """Why a candidate was published, or not."""

    FIRST = "first"
    BETTER = "better"
    BETTER_ON_VARIANTS = "better_on_variants"
    WORSE_ON_DIGITS = "worse_on_digits"
    NO_CORRECTIONS = "no_corrections"
    NO_UNSEEN_CORRECTIONS = "no_unseen_corrections"
    NOT_BETTER = "not_better_on_corrections"
    NOT_BETTER_ON_VARIANTS = "not_better_on_variants"
    REJECTED = "rejected"


class Judgement(NamedTuple):
    """What follows from two models' scores.

    Attributes:
        word: the stable word.
        detail: one line for a person.
    """

    word: Word
    detail: str

    @property
    def publishes(self) -> bool:
        """Whether the candidate is to be published."""
        return self.word in (Word.FIRST, Word.BETTER, Word.BETTER_ON_VARIANTS)


def judge(candidate: Scores, live: Scores | None, seen: int, margin: float) -> Judgement:
    """Holds a candidate against the live model; no I/O.

    Unseen corrections judge wherever the live model misreads some of them. Where they leave nothing to be better at,
    variants of seen ones that no training saw judge. That is weaker evidence: they are nearer to what was learnt than
    the next drawing will be. But without it a person who corrects one drawing of a digit could teach nothing.

    Args:
        candidate: its scores.
        live: those of the live model on the same images; None where no model is live.
        seen: how many corrections there are to learn from.
        margin: the share of the held-out digits, 0..1, by which the candidate may be worse.
    """
    if live is None:
        return Judgement(Word.FIRST, "no model is live yet")
    digits = f"{_told(candidate.test)} held-out digits are right, where the live model has {live.test.right}"
    corrections = (
        f"{_told(candidate.unseen)} unseen corrections are right, where the live model has {live.unseen.right}"
    )
    if candidate.test.right < live.test.right - margin * live.test.of:
        return Judgement(Word.WORSE_ON_DIGITS, digits)
    if candidate.unseen.right > live.unseen.right:
        return Judgement(Word.BETTER, f"{corrections}; {digits}")
    if candidate.unseen.right < live.unseen.of:  # else both have all of them right, or there are none
        return Judgement(Word.NOT_BETTER, corrections)
    if not seen and not live.unseen.of:
        return Judgement(Word.NO_CORRECTIONS, "there is no correction; correct drawings")
    if live.variants.of:
        return _judge_by_variants(candidate, live, digits)
    if live.unseen.of:
        return Judgement(Word.NOT_BETTER, corrections)
    return Judgement(Word.NO_UNSEEN_CORRECTIONS, "no correction was kept unseen to judge by; correct more drawings")


def _judge_by_variants(candidate: Scores, live: Scores, digits: str) -> Judgement:
    variants = (
        f"{_told(candidate.variants)} fresh variants of the corrections are right, "
        f"where the live model has {live.variants.right}"
    )
    if candidate.variants.right <= live.variants.right:
        return Judgement(Word.NOT_BETTER_ON_VARIANTS, variants)
    kept = (
        f"both have all {live.unseen.of} unseen corrections right"
        if live.unseen.of
        else "no drawing is held back yet to judge by"
    )
    return Judgement(Word.BETTER_ON_VARIANTS, f"{variants}; {digits}; {kept}")


def gate(
    candidate: Path,
    report: Mapping[str, Any],
    test: Digits,
    unseen: Digits,
    variants: Digits,
    models: Path,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Publishes a candidate where it is better than the model that is live now.

    Args:
        candidate: the `.keras` file.
        report: as the pipelines write it.
        test: held-out digits.
        unseen: corrections that no model learns from.
        variants: fresh variants of corrections to learn from, see `fresh_variants`; the same that the report counts.
        models: the folder where it is published; it is made.
        settings: `margin`, see `judge`.

    Returns:
        The verdict: `verdict` (`published` or `refused`), `reason` (a `Word`), `detail`, `model_id` of what was
        published, `live` (the model_id that it was held against), `candidate_right` and `live_right`, `parent`,
        `data_version`, `time`.

    Raises:
        VettingFailed, StorageUnavailable, CacheUnusable, OSError: from this machine; nothing was published.
    """
    right = report["right"]
    own = Scores(*(Score(**right[part]) for part in Scores._fields))
    storage = AnyStorage()
    models.mkdir(parents=True, exist_ok=True)
    _LOGGER.info("comparing it with the live model of %s", models)
    with vetting(storage, DEFAULT_ENGINE, DEFAULT_LARGEST_BATCH) as vetter:
        live = live_model(models, storage, vetter)
        theirs = scores_of_vetted(live.artefact, test, unseen, variants) if live else None
    judgement, model_id = judge(own, theirs, report["images"]["seen"], float(settings["margin"])), None
    if judgement.publishes:
        _LOGGER.info("vetting and publishing it", extra={PART: 0.5})
        try:
            model_id = release(candidate, models, **card_of(report)).reference.model_id
        except ModelRejected as rejection:
            judgement = Judgement(Word.REJECTED, str(rejection))
    verdict = "published" if judgement.publishes else "refused"
    _LOGGER.info("%s (%s): %s", verdict, judgement.word, judgement.detail)
    return {
        "verdict": verdict,
        "reason": str(judgement.word),
        "detail": judgement.detail,
        "model_id": model_id,
        "live": live.reference.model_id if live else None,
        "candidate_right": _counted(own),
        "live_right": _counted(theirs) if theirs else None,
        "parent": report["parent"],
        "data_version": report["data_version"],
        "time": rfc3339(),
    }


def card_of(report: Mapping[str, Any]) -> dict[str, Any]:
    """The card of a model that is published: how it takes images, and of what it was made, in tags.

    Tags are `made_by`, `data` (all digits of the SHA-256 of its arrays), `parent` (a model_id, where it has one),
    `right.PART` and `parameter.NAME`.
    """
    tags = {
        "made_by": report["made_by"],
        "data": f"sha256:{report['data_version']}",
        **({"parent": report["parent"]} if report["parent"] else {}),
        **{f"right.{part}": f"{score['right']}/{score['of']}" for part, score in report["right"].items()},
        **dict(_flat("parameter", report["parameters"])),
    }
    return {
        "name": "digits",
        "version": report["data_version"][:12],
        "labels": list(LABELS),
        "task": "classification",
        "input": {"height": INPUT.height, "width": INPUT.width, "channels": INPUT.channels, "scale": INPUT.scale},
        "tags": [_tag(name, value) for name, value in tags.items()],
    }


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for each, part in value.items():
            yield from _flat(f"{name}.{each}", part)
    else:
        yield name, _plain(value)


def _plain(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _tag(name: str, value: str) -> str:
    """What is too long loses its beginning: a model_id ends in its digest."""
    room = MAX_LABEL - len(name) - 1
    text = printable(value)
    return f"{name}={text if len(text) <= room else '…' + text[1 - room :]}"


def _counted(scores: Scores) -> dict[str, dict[str, int]]:
    return {part: score._asdict() for part, score in scores._asdict().items()}


def _told(score: Score) -> str:
    return f"{score.right} of {score.of}"
