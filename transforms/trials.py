"""What the answers to a bundle's images say of the models of a trial, for the verdict."""

from __future__ import annotations

from collections import Counter

from models.errors import ImageError
from models.records import Answer
from models.reference import Mode
from models.serving import ServingConfig
from models.trials.evidence import Evidence, Side
from models.trials.gist import Gist, gist_of
from models.trials.tried import Tried
from transforms import metrics
from transforms.process import JobRun


class GatherTrials:
    """A part of the step that formats results: counts what they say of a trial, once a bundle's images are all through.

    A step of its own would cost every image something, also while nothing is tried. A bundle that fails before its end
    has counted nothing, so that what is answered again counts once; one whose results cannot be written after that
    counts twice.

    Args:
        run: whose models, and whose counters.
        config: which models are served.
    """

    def __init__(self, run: JobRun, config: ServingConfig) -> None:
        self._run = run
        self._config = config
        self._seen: list[_Seen] = []

    def start_bundle(self) -> None:
        """Begins with nothing seen."""
        self._seen = []

    def see(self, image: str, answer: Answer) -> None:
        """Takes in one answer, of which nothing but the gist is kept.

        Args:
            image: its path.
            answer: of whichever model.
        """
        if answer.tried is not None:
            outcome = answer.outcome
            gist = None if isinstance(outcome, ImageError) else gist_of(outcome)
            self._seen.append((image, gist, answer.tried))

    def finish_bundle(self) -> None:
        """Counts what was seen, of the trial that is under way."""
        seen, self._seen = self._seen, []
        if not seen:
            return
        here = self._run.here
        gathering = here.serving(self._config).gathering
        trial = gathering.trial
        sides: Counter[Side] = Counter()
        if trial is not None:
            with gathering.noting(trial) as evidence:
                for image, gist, tried in seen:
                    if tried.number == trial.number:
                        _note(evidence, trial.mode, image, gist, tried)
        for _, _, tried in seen:
            sides[tried.side] += 1
            sides["new"] += tried.other is not None
        for side, images in sides.items():
            here.meter.count(metrics.tried_name(side), images)


_Seen = tuple[str, Gist | None, Tried]


def _note(evidence: Evidence, mode: Mode, image: str, gist: Gist | None, tried: Tried) -> None:
    evidence.answered(tried.side, gist, image)
    if mode == "shadow":
        evidence.answered("new", tried.other, image)
        evidence.compared(image, gist, tried.other)
