"""The trial of the stream that is under way, or ended last: read from the stream's registry, and ended by hand."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from models.registry.registry import Registry
from models.storage.schemes import AnyStorage
from models.trials.ending import DEEDS, ChangedMeanwhileError, EndedMeanwhileError, NoTrialError, end_by_hand
from models.trials.terms import TrialTerms
from models.trials.trial import EndedTrial, Outcome
from models.trials.view import ended_trials, trial_now, view_of_ended
from studio.errors import StudioRefused, Trouble
from studio.places import Places
from studio.shelf.known_models import stream_registry
from studio.shelf.refusals import told_of_storage

_BY = "the studio's page"


class Trials:
    """The trials of one studio. Threads may ask side by side. Methods block, for milliseconds.

    Args:
        places: where models and registry are.
        terms: on which the stream tries new models.
    """

    def __init__(self, places: Places, terms: TrialTerms) -> None:
        self._places = places
        self._storage = AnyStorage()
        self._terms = terms
        self._lock = threading.Lock()
        self._last: tuple[EndedTrial, dict[str, Any]] | None = None

    def now(self) -> dict[str, Any]:
        """The trial that is under way; where none is, the one that ended last.

        Returns:
            `TrialView.to_json`, of which `judgement` is that of the verdict where it has ended; `state` alone, `none`,
            where none was ever held. And `terms`: how the next new model is tried, "" where it is not.

        Raises:
            StudioRefused: NOT_POSSIBLE; the registry cannot be read.
        """
        with told_of_storage("the trial cannot be looked at"):
            registry = self._registry()
            view = trial_now(registry)
            if view is not None:
                return self._told(view.to_json())
            ended = ended_trials(registry)
            return self._told(self._ended(registry, ended[0]) if ended else {"state": "none"})

    def end(self, outcome: Outcome, number: int | None) -> dict[str, Any]:
        """Ends the trial that is under way, whatever is proved so far; every reader follows.

        Args:
            outcome: `promoted` has the new model be live; `rolled_back` leaves the old one.
            number: of the trial that is meant; None for whichever there is.

        Returns:
            as of `now`.

        Raises:
            StudioRefused: NOT_POSSIBLE: there is no such trial any more, or the registry cannot be written; it goes on.
        """
        untold = f"the trial is not {DEEDS[outcome]}"
        with told_of_storage(untold):
            try:
                end_by_hand(self._registry(), outcome, _BY, number)
            except (NoTrialError, EndedMeanwhileError) as gone:
                line = "this trial has ended meanwhile; look at what came of it"
                raise StudioRefused(Trouble.NOT_POSSIBLE, line) from gone
            except ChangedMeanwhileError as meanwhile:
                line = f"{untold}: it is changed by others again and again; look at it and repeat"
                raise StudioRefused(Trouble.NOT_POSSIBLE, line) from meanwhile
            return self.now()

    def _registry(self) -> Registry:
        """A pointer is one thread's: each question has its own."""
        return stream_registry(self._places, self._storage)

    def _ended(self, registry: Registry, ended: EndedTrial) -> dict[str, Any]:
        """Nothing of it changes any more but whether its model may be tried again."""
        with self._lock:
            if self._last is None or self._last[0] != ended:
                told = view_of_ended(registry, ended).to_json()
                self._last = ended, told | ({"judgement": dict(ended.figures)} if ended.figures else {})
            return self._last[1]

    def _told(self, trial: Mapping[str, Any]) -> dict[str, Any]:
        return {**trial, "terms": str(self._terms.policy or "")}
