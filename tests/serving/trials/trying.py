"""A real core whose live model is tried against another one, and what its process writes down of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray

from models.artefacts import DEFAULT_ENGINE, DEFAULT_MAX_VALUES, Manifest
from models.errors import ImageError, ImageFault
from models.images.decoding import Raster
from models.reference import StatedTrial
from models.registry.cache import REGISTRY_IN_CACHE
from models.registry.registry import Registry, Terms
from models.storage.schemes import AnyStorage
from models.trials.evidence import Evidence
from models.trials.policy import Policy
from models.trials.terms import Limits, TrialTerms
from models.trials.trial import Outcome
from serving.preparing import Preparer
from tests.model_files import newer, tiny_classifier
from tests.serving.running_core import RunningCore, running_core
from tests.waiting import eventually

Makes = Callable[[Path], Path]
"""Makes a model at a path."""
OLD, NEW = 1, 2
"""The classes that the usual models see everywhere."""
_ANYTHING_GOES = Limits(max_failures=1.0, max_slowdown=1e6, min_agreement=0.0, max_drift=1e6, max_accuracy_loss=1.0)


class Trying:
    """A core, and the trial that is under way in it.

    Attributes:
        running: the core.
        old: the id of the live model.
        new: of the one that is tried.
        trial: as it is stated.
    """

    def __init__(self, running: RunningCore, old: str, trial: StatedTrial) -> None:
        self.running = running
        self.old = old
        self.new = trial.new.model_id
        self.trial = trial
        self._registry = registry(str(running.cache / REGISTRY_IN_CACHE), str(running.models / "*.onnx"))

    def evidence(self) -> Evidence:
        """What has been written down of the trial."""
        found = Evidence()
        for each in self._registry.trials.read(self.trial):
            found.merge(Evidence.decode(each))
        return found

    def await_evidence(self, is_enough: Callable[[Evidence], bool], what: str) -> Evidence:
        """Waits until so much is written down."""

        def look() -> Evidence | None:
            found = self.evidence()
            return found if is_enough(found) else None

        found = eventually(look, what)
        assert found is not None
        return found

    def lose_what_was_compiled(self) -> None:
        """Takes the new model's compiled form away, without which its process cannot be begun anew."""
        for path in self.running.cache.glob(f"{self.trial.new.sha256}-*"):
            shutil.rmtree(path)

    def end(self, outcome: Outcome) -> None:
        """Ends the trial, as a person does."""
        end_trial(self._registry, outcome)


def registry(address: str, pattern: str) -> Registry:
    """The registry of a pattern, at an address."""
    return Registry(AnyStorage().objects(address), pattern, Terms(DEFAULT_ENGINE, DEFAULT_MAX_VALUES))


def end_trial(found: Registry, outcome: Outcome) -> None:
    """Ends the trial of a pattern once one is under way, as a person does."""

    def is_ended() -> bool:
        found.live.look()
        return found.live.end(outcome, "a person says so", by="a person")

    eventually(is_ended, "a trial to end")


def old_model(path: Path) -> Path:
    return tiny_classifier(path, favours=OLD, card={"version": "one"})


def new_model(path: Path) -> Path:
    return tiny_classifier(path, favours=NEW, card={"version": "two"})


def fails_to_prepare(monkeypatch: pytest.MonkeyPatch, image: bytes, *sides: int) -> None:
    """Has an image be none for models that take images of these sides, as for want of memory."""
    prepared = Preparer.prepared

    def fails(preparer: Preparer, data: bytes, manifest: Manifest) -> tuple[NDArray[Any], Raster]:
        if data == image and manifest.card.input.height in sides:
            raise ImageError(ImageFault.TOO_LARGE, "it does not fit into memory")
        return prepared(preparer, data, manifest)

    monkeypatch.setattr(Preparer, "prepared", fails)


@contextmanager
def trying(
    folder: Path, policy: str, new: Makes = new_model, old: Makes = old_model, **settings: Any
) -> Iterator[Trying]:
    """A core that tries a model, for as long as nobody ends it.

    Args:
        folder: of its models and its cache.
        policy: in the words of `--trial`.
        new: makes the model that is tried.
        old: makes the live one.
        settings: of `CoreConfig`.
    """
    terms = TrialTerms(Policy.parse(policy), _ANYTHING_GOES, needs_labels=True)
    with running_core(folder / "models", folder / "cache", terms, **settings) as running:
        first = old(running.models / "old.onnx")
        live = running.await_live(first)
        newer(new(running.models / "new.onnx"), first)
        on_trial = eventually(lambda: running.core.on_trial, "a model to be tried")
        assert on_trial is not None
        trial = on_trial.trial
        del on_trial
        yield Trying(running, live, trial)
