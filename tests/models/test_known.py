"""What a registry tells people of a trial, and what becomes of it when one of them rolls back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from models.known import Known, known_of, roll_back
from models.reference import ModelReference, sha256_of
from models.registry.records import Accepted, Judgement, Pointer
from models.registry.registry import Registry, Terms
from models.signatures.beside import list_models
from models.storage import newest_first
from models.storage.schemes import AnyStorage
from models.survey import Surveyed
from models.trials.policy import Policy


class Readers:
    """A folder with an older model, the live one, and one that is tried; and what their registry knows."""

    def __init__(self, folder: Path) -> None:
        self.storage = AnyStorage()
        self.pattern = f"{folder}/m/*.h5"
        self.objects = self.storage.objects(str(folder / "registry"))
        self.models: dict[str, ModelReference] = {}
        registry = self.open()
        for age, name in enumerate(("new", "live", "older")):
            path = folder / "m" / f"{name}.h5"
            path.parent.mkdir(exist_ok=True)
            path.write_text(name)
            os.utime(path, (1e9 - age, 1e9 - age))
            self.models[name] = ModelReference(str(path), sha256_of(path))
        for file in list_models(self.storage, self.pattern, False):
            verdict = Accepted(self.models[Path(file.uri).stem], Path(file.uri).stem)
            registry.record(file, Judgement(file.uri, file.version, verdict))
        policy = Policy.parse("canary:5%/10")
        assert policy is not None
        registry.live.move(self.models["older"], "the first")
        registry.live.move(self.models["live"], "the newest valid file")
        registry.live.begin(self.models["new"], policy)

    def open(self) -> Registry:
        return Registry(self.objects, self.pattern, Terms("auto", 10_000))

    def known(self, registry: Registry) -> Known:
        return known_of(registry, newest_first(list_models(self.storage, self.pattern, False)))

    def roll_back(self, name: str) -> Pointer:
        registry = self.open()
        known = self.known(registry)
        roll_back(registry, self.storage, self.surveyed(known, name), known)
        now = self.open().live
        now.look()
        assert now.pointer is not None
        return now.pointer

    def surveyed(self, known: Known, name: str) -> Surveyed:
        return next(each for each in known.files if each.file.uri == self.models[name].uri)


@pytest.fixture
def readers(tmp_path: Path) -> Readers:
    return Readers(tmp_path)


def test_what_is_tried_is_told_beside_what_is_live(readers: Readers) -> None:
    known = readers.known(readers.open())
    assert known.live is readers.surveyed(known, "live")
    assert known.trial is not None
    assert (known.trial.new, known.trial.old) == (readers.models["new"], readers.models["live"])
    assert known.ended == ()


@pytest.mark.parametrize(
    ("name", "outcome", "again"),
    [("live", "rolled_back", False), ("older", "rolled_back", True), ("new", "promoted", False)],
)
def test_a_roll_back_ends_the_trial(readers: Readers, name: str, outcome: str, again: bool) -> None:
    pointer = readers.roll_back(name)
    assert (pointer.now.reference, pointer.trial) == (readers.models[name], None)
    ended = pointer.ended[-1]
    assert (ended.outcome, ended.again, ended.told) == (outcome, again, False)
    assert ended.why.startswith("rolled back by ")
    assert readers.known(readers.open()).ended == pointer.ended


def test_a_roll_back_to_what_is_live_without_a_trial_changes_nothing(readers: Readers) -> None:
    before = readers.roll_back("live")
    assert readers.roll_back("live") == before
