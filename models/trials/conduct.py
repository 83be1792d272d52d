"""How a trial is brought from its beginning to its end, by whoever watches the folder."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from models.catalogue import Catalogue
from models.events import EventKind, EventLog, ModelEvent
from models.printable import logger
from models.reference import ModelReference
from models.registry.records import Accepted
from models.registry.registry import Registry
from models.storage.errors import StorageUnavailable
from models.trials.terms import NO_TRIALS, TrialTerms
from models.trials.trial import LONGEST_WHY, EndedTrial, Outcome, Trial

if TYPE_CHECKING:
    from models.trials.evidence import Evidence
    from models.trials.judging import Judgement

_LOGGER = logger(__name__)

LEAST_PROMOTED = 100
"""Images that a model must have answered to be promoted undecided: else nobody knows that it answers at all."""
EVIDENCE_KEPT = 5
"""Trials that are over, whose evidence is kept for reports."""
_WRITES_PER_STEP = 10
_RESTS = 20
"""Times as long as reading and judging took, before that is done again: of a large fleet there is much to read."""
_LONGEST_UNWRITTEN_SECONDS = 10.0
"""Of the time of a step, that is lost with the processes that saw it pass."""


Judge = Callable[["Evidence", Trial], "Judgement"]
"""Judges what the processes of a fleet have gathered in the step that a trial is in."""


class Conduct:
    """The trials of a pattern, as one process brings them forward.

    Methods are one thread's, that looks at the folder and the registry. Where the registry gives no answer they raise
    `StorageUnavailable`, and nothing has changed. Those that return a bool say whether nobody else was faster.

    Args:
        registry: of the pattern: where the pointer and the evidence are.
        catalogue: what is known about the files.
        events: where it is told what became of trials.
        terms: on which new models are tried. A trial that is under way is judged on those that it began with.
        stopwatch: seconds that only grow.
        judge: comes to judgements.
    """

    def __init__(
        self,
        registry: Registry,
        catalogue: Catalogue,
        events: EventLog,
        terms: TrialTerms = NO_TRIALS,
        stopwatch: Callable[[], float] = time.monotonic,
        judge: Judge | None = None,
    ) -> None:
        self._registry = registry
        self._catalogue = catalogue
        self._events = events
        self._terms = terms
        self._stopwatch = stopwatch
        self._judge = judge or self._judged
        self._unsure: ModelEvent | None = None
        self._rests_until = float("-inf")
        self._is_untidy = False
        self._step: tuple[int, int] | None = None
        self._ran = self._seen = 0.0

    def take_in(self) -> None:
        """Takes in what the last look at the pointer showed."""
        unsure, self._unsure = self._unsure, None
        if unsure is not None and self._registry.live.met_itself:
            self._tell(unsure)
        pointer = self._registry.live.pointer
        self._catalogue.refuse(frozenset(pointer.refused) if pointer else ())

    def tell_ended(self) -> bool:
        """Tells of trials that somebody has ended by hand."""
        pointer = self._registry.live.pointer
        for ended in pointer.ended if pointer else ():
            if not ended.told:
                event = self._event_of(ended)
                if not self._write(partial(self._registry.live.mark_told, ended.trial.number), event):
                    return False
                self._is_untidy = True
        return True

    @property
    def is_under_way(self) -> bool:
        """Whether a model is tried, as far as is known."""
        pointer = self._registry.live.pointer
        return pointer is not None and pointer.trial is not None

    def before(self) -> ModelReference | None:
        """What a new model would be tried against: what is live by the pointer, whether or not this process has seen
        its file yet. None where nothing is, its file is gone or lost its signature, or none is tried at all.
        """
        pointer = self._registry.live.pointer
        if self._terms.policy is None or pointer is None or self._catalogue.has_withdrawn(pointer.now.reference):
            return None
        return pointer.now.reference

    def comes_first(self, successor: Accepted) -> bool:
        """Whether a model has to be tried before it is live.

        What was live before has answered everything, and its return is somebody's will. Where nothing is live, or its
        file is gone, nothing is better than it.
        """
        pointer = self._registry.live.pointer
        return pointer is not None and self.before() is not None and not pointer.was_live(successor.reference.sha256)

    def begin(self, successor: Accepted) -> bool:
        """Has a model be tried from now on."""
        terms, new, pointer = self._terms, successor.reference, self._registry.live.pointer
        policy = terms.policy
        assert policy is not None
        assert pointer is not None
        reason = f"{policy}; {pointer.now.reference.model_id} stays live"
        event = ModelEvent("trial_began", new.model_id, successor.name, reason)
        begin = partial(self._registry.live.begin, new, policy, terms.limits, terms.undecided, terms.needs_labels)
        return self._write(begin, event)

    def go_on(self, sees_files: bool) -> bool:
        """Judges the trial that is under way, and does what follows.

        Args:
            sees_files: whether the last listing showed any; of an emptied folder nothing is known, and nothing of it is
                promoted.
        """
        pointer = self._registry.live.pointer
        trial = pointer.trial if pointer else None
        if trial is None:
            return True
        if sees_files and self._catalogue.has_lost(trial.new):
            return self._end(trial, "rolled_back", f"{trial.new.uri} is gone, or has other bytes now", {}, again=True)
        if sees_files and self._catalogue.has_withdrawn(trial.old):
            why = f"{trial.old.uri} is gone, or lost its signature, and does not stay live meanwhile"
            return self._end(trial, "rolled_back", why, {}, again=True)
        seconds = self._reckon(trial)
        if (began := self._stopwatch()) < self._rests_until:
            return True
        evidence = self._gathered(trial)
        found = self._judge(evidence, trial)
        self._rests_until = self._stopwatch() + _RESTS * (self._stopwatch() - began)
        if found.decision == "worse":
            return self._end(trial, "rolled_back", found.why, found.to_json())
        if not sees_files:
            return True
        if trial.is_last_step and found.decision == "proved":
            return self._end(trial, "promoted", found.why, found.to_json())
        if seconds < 60 * trial.now.minutes:
            return True
        if not trial.is_last_step:
            return self._advance(trial, found)
        is_fit = evidence.new.answered >= LEAST_PROMOTED and not found.breaks_a_limit
        outcome: Outcome = "promoted" if trial.undecided == "promote" and is_fit else "rolled_back"
        # Of a model that nobody had an image for, nothing is known.
        is_idle = not evidence.old.images and not evidence.new.images
        why = f"time is up without enough evidence: {found.why}"
        return self._end(trial, outcome, why, found.to_json(), again=is_idle)

    def tidy(self) -> None:
        """Removes what was gathered of trials that ended long ago; once after each that ended here, when all that
        matters is done. What is left over is removed after the next one.
        """
        pointer = self._registry.live.pointer
        if self._is_untidy and pointer is not None and len(pointer.ended) > EVIDENCE_KEPT:
            with contextlib.suppress(StorageUnavailable):
                self._registry.trials.forget_before(pointer.ended[-EVIDENCE_KEPT].trial.number)
        self._is_untidy = False

    def next_change(self) -> float | None:
        """Seconds until the time of a step is up; None where nothing follows from time."""
        pointer = self._registry.live.pointer
        trial = pointer.trial if pointer else None
        if trial is None or self._step != (trial.number, trial.step):
            return None
        left = 60 * trial.now.minutes - self._ran - (self._stopwatch() - self._seen)
        return left if left > 0 else None

    def _gathered(self, trial: Trial) -> Evidence:
        from models.trials.gathered import gathered

        return gathered(self._registry, trial.stated)

    def _judged(self, evidence: Evidence, trial: Trial) -> Judgement:
        from models.trials.gathered import gathered_before
        from models.trials.judging import judged

        return judged(evidence, trial, gathered_before(self._registry, trial.stated))

    def _advance(self, trial: Trial, found: Judgement) -> bool:
        later = trial.advanced()
        share, minutes, steps = f"{100 * later.now.share:g}%", f"{later.now.minutes:g}", len(trial.policy.steps)
        reason = f"{share} of the images for {minutes} minutes, step {later.step + 1} of {steps}; {found.why}"
        event = ModelEvent("trial_share", trial.new.model_id, self._name(trial.new), reason)
        return self._write(self._registry.live.advance, event)

    def _end(self, trial: Trial, outcome: Outcome, why: str, figures: Mapping[str, Any], again: bool = False) -> bool:
        why = why[:LONGEST_WHY]
        event = self._event_of(EndedTrial(trial, outcome, why))
        ended = self._write(lambda: self._registry.live.end(outcome, why, figures, told=True, again=again), event)
        self._is_untidy = self._is_untidy or ended
        return ended

    def _reckon(self, trial: Trial) -> float:
        """For how many seconds the step has run at least: what this process saw of it, or others have written down."""
        now, step = self._stopwatch(), (trial.number, trial.step)
        self._ran = self._ran + now - self._seen if self._step == step else 0.0
        self._step, self._seen = step, now
        written = self._registry.trials.seconds(trial.stated)
        self._ran = max(self._ran, written)
        if self._ran - written >= min(_LONGEST_UNWRITTEN_SECONDS, 60 * trial.now.minutes / _WRITES_PER_STEP):
            self._registry.trials.keep_seconds(trial.stated, self._ran)
        return self._ran

    def _write(self, write: Callable[[], bool], event: ModelEvent) -> bool:
        """Tells what it brings about; where the answer is lost, once the next look shows that it did."""
        self._unsure = event
        written = write()
        self._unsure = None
        if written:
            self._tell(event)
        return written

    def _tell(self, event: ModelEvent) -> None:
        _LOGGER.info("%s: %s (%s)", event.event.replace("_", " "), event.model_id, event.reason)
        self._events.add(event)

    def _event_of(self, ended: EndedTrial) -> ModelEvent:
        kind: EventKind = "trial_promoted" if ended.outcome == "promoted" else "trial_rolled_back"
        new = ended.trial.new
        return ModelEvent(kind, new.model_id, self._name(new), ended.why)

    def _name(self, reference: ModelReference) -> str:
        return self._catalogue.name_of(reference) or reference.file_name
