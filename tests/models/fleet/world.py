"""What the processes of a simulated fleet share: a folder of models, a registry, and the trouble with both."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from models.reference import ModelReference
from models.registry.records import Pointer
from models.storage import ReadableFile, StoredFile
from models.storage.errors import StorageUnavailable
from models.storage.objects import Found
from models.trials.policy import Step
from models.trials.trial import EndedTrial, Trial

FOLDER = "gs://bucket/models"
PATTERN = f"{FOLDER}/*.h5"
BAD = "bad"
BY_HAND = "by hand"
"""Why a person says that the pointer moves."""


def digest_of(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def before_step(trial: Trial) -> Step:
    """The step before the one that a trial is in."""
    return trial.policy.steps[trial.step - 1]


@dataclass
class File:
    """A model file: its bytes, when it was uploaded by the bucket's own clock, and its generation."""

    content: str
    uploaded: float
    generation: int


@dataclass
class World:
    """The bucket.

    Attributes:
        files: by address.
        objects: of the registry, by name: bytes and generation.
        down: whether the bucket answers nobody.
        flaky: the share of requests that fail, before or after they did what they should.
        moves: every pointer that was written, with the time.
        faults: promises that were broken.
        lost: whether somebody damaged the registry.
        gone: the files that were deleted or overwritten, by their address and digest, and when.
        unsigned: files that lost their signature.
        vetting_now: what processes that live are vetting.
        vettings: how many ever began.
        contents: that any file ever had.
        tried_first: whether no model goes live before it was tried.
        steps_begun: when each step of each trial began.
        ended: what came of each trial.
    """

    chance: random.Random
    now: float = 0.0
    files: dict[str, File] = field(default_factory=dict)
    objects: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    down: bool = False
    flaky: float = 0.0
    generations: int = 0
    moves: list[tuple[float, Pointer]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    lost: bool = False
    gone: dict[str, float] = field(default_factory=dict)
    unsigned: set[str] = field(default_factory=set)
    vetting_now: list[StoredFile] = field(default_factory=list)
    vettings: int = 0
    contents: set[str] = field(default_factory=set)
    tried_first: bool = False
    steps_begun: dict[tuple[int, int], float] = field(default_factory=dict)
    ended: dict[int, EndedTrial] = field(default_factory=dict)

    def next_generation(self) -> int:
        self.generations += 1
        return self.generations

    def upload(self, name: str, content: str) -> None:
        """A file appears, or its bytes are others now."""
        uri = f"{FOLDER}/{name}"
        self._went(uri)
        self.contents.add(content)
        self.files[uri] = File(content, self.now, self.next_generation())

    def touch(self, uri: str) -> None:
        """The same bytes, uploaded anew."""
        file = self.files[uri]
        self.files[uri] = File(file.content, self.now, self.next_generation())

    def unsign(self, uri: str) -> None:
        """A file loses its signature; its version tells."""
        self.unsigned.add(uri)
        self.files[uri] = replace(self.files[uri], generation=self.next_generation())

    def delete(self, uri: str) -> None:
        self._went(uri)
        del self.files[uri]

    def newest_valid(self) -> ModelReference | None:
        """The rule, in three lines."""
        valid = [(file.uploaded, uri) for uri, file in self.files.items() if not file.content.startswith(BAD)]
        _, uri = max(valid, default=(0.0, ""))
        return ModelReference(uri, digest_of(self.files[uri].content)) if uri else None

    def pointer(self) -> Pointer | None:
        """What is written now; None where nothing is, or nonsense."""
        for name, (data, _) in self.objects.items():
            if name.startswith("live/"):
                try:
                    return Pointer.decode(data, PATTERN)
                except ValueError:
                    return None
        return None

    def note_vetting(self, file: StoredFile) -> None:
        """Holds a vetting that begins against the promise that there is one for each version of a file."""
        told = (json.loads(data) for name, (data, _) in self.objects.items() if name.startswith("verdicts/") and data)
        known = any((each.get("uri"), each.get("version")) == (file.uri, file.version) for each in told)
        if known or file in self.vetting_now:
            self.faults.append(f"at {self.now:.0f}: {file.uri} {file.version} is vetted again")
        self.vetting_now.append(file)
        self.vettings += 1

    def note_move(self, pointer: Pointer) -> None:
        """Holds a pointer that was written against the promise that it never goes back without cause."""
        before = self.moves[-1][1] if self.moves else None
        self.moves.append((self.now, pointer))
        if before is None or self.lost:
            return
        if pointer.epoch != before.epoch + 1:
            self.faults.append(f"epoch {before.epoch} is followed by {pointer.epoch}")
        self._note_trial(before, pointer)
        old, new = before.now, pointer.now
        if old.reference == new.reference or new.why == BY_HAND:
            return
        if before.trial is not None:
            self._note_promotion(before.trial, pointer)
            return
        if not self._had_cause(old.reference, new.reference):
            self.faults.append(
                f"at {self.now:.0f} the pointer went from {old.reference} to {new.reference} without cause"
            )
        was_there = f"{old.reference.uri}@{old.reference.sha256}" not in self.gone
        if self.tried_first and was_there and not before.was_live(new.reference.sha256):
            self.faults.append(f"at {self.now:.0f} {new.reference} went live and was never tried")

    def _note_promotion(self, trial: Trial, pointer: Pointer) -> None:
        """While a model is tried, nothing goes live but it, for what was seen of it."""
        ended = pointer.ended[-1] if pointer.ended else None
        if ended is None or ended.trial.number != trial.number or ended.outcome != "promoted":
            self.faults.append(f"at {self.now:.0f} the pointer was moved while {trial.new} was tried")
        elif pointer.now.reference != trial.new or not ended.figures:
            self.faults.append(f"at {self.now:.0f} {pointer.now.reference} went live for no verdict")
        elif ended.figures["decision"] != "proved" and trial.undecided != "promote":
            self.faults.append(f"at {self.now:.0f} {trial.new} went live, and was not proved")

    def _note_trial(self, before: Pointer, pointer: Pointer) -> None:
        """Holds a pointer against what is promised of trials."""
        good = {digest_of(content) for content in self.contents if not content.startswith(BAD)}
        named = [pointer.now.reference, *([pointer.trial.new] if pointer.trial else [])]
        if any(each.sha256 not in good for each in named):
            self.faults.append(f"at {self.now:.0f} the pointer names what was never accepted")
        for each in pointer.ended:
            known = self.ended.setdefault(each.trial.number, each)
            if (known.outcome, known.time, known.by) != (each.outcome, each.time, each.by):
                self.faults.append(f"trial {each.trial.number} has two verdicts")
            if known.trial.old != before.now.reference and known is each:
                self.faults.append(f"trial {each.trial.number} was between others")
        now = pointer.trial
        if now is None:
            return
        if before.trial is None and now.new.sha256 in before.refused:
            self.faults.append(f"at {self.now:.0f} {now.new} is tried again")
        if (now.number, now.step) in self.steps_begun:
            return
        if now.step and self.now - self.steps_begun[now.number, now.step - 1] < 60 * before_step(now).minutes:
            self.faults.append(f"at {self.now:.0f} trial {now.number} goes on before its time")
        self.steps_begun[now.number, now.step] = self.now

    def _went(self, uri: str) -> None:
        if uri in self.files:
            self.gone[f"{uri}@{digest_of(self.files[uri].content)}"] = self.now

    def _had_cause(self, old: ModelReference, new: ModelReference) -> bool:
        """The old file is gone or another, or was since it was stated, or the new one is newer."""
        stated_at = next(at for at, pointer in reversed(self.moves[:-1]) if pointer.now.reference == old)
        if self.gone.get(f"{old.uri}@{old.sha256}", 0.0) >= stated_at:
            return True
        file, newer = self.files.get(old.uri), self.files.get(new.uri)
        if file is None or digest_of(file.content) != old.sha256 or newer is None:
            return True
        return (newer.uploaded, new.uri) > (file.uploaded, old.uri)


class Bucket:
    """The folder and the registry as one process reaches them: a `Storage` and an `ObjectStore`.

    Args:
        world: which it is in.
        registry: which of several, where not all processes share one.
    """

    address = "gs://bucket/registry"

    def __init__(self, world: World, registry: str = "") -> None:
        self._world = world
        self._registry = registry

    def list(self, pattern: str) -> list[StoredFile]:
        self._may_fail()
        return [
            StoredFile(uri, len(file.content), file.uploaded, str(file.generation), finished=True)
            for uri, file in self._world.files.items()
        ]

    def open(self, uri: str) -> ReadableFile:
        raise AssertionError("the simulated vetter opens nothing")

    def read(self, name: str) -> Found | None:
        self._may_fail()
        found = self._world.objects.get(self._registry + name)
        return Found(found[0], str(found[1])) if found else None

    def swap(self, name: str, data: bytes, expected: str | None) -> str | None:
        self._may_fail()
        found = self._world.objects.get(self._registry + name)
        if (str(found[1]) if found else None) != expected:
            return str(found[1]) if found and found[0] == data else None
        generation = self._world.next_generation()
        self._world.objects[self._registry + name] = data, generation
        if name.startswith("live/") and not self._registry:
            self._world.note_move(Pointer.decode(data, PATTERN))
        self._may_fail()
        return str(generation)

    def remove(self, name: str, expected: str | None) -> bool:
        self._may_fail()
        found = self._world.objects.get(self._registry + name)
        if found is None or expected not in (None, str(found[1])):
            return False
        del self._world.objects[self._registry + name]
        self._may_fail()
        return True

    def names(self, folder: str) -> Sequence[str]:
        assert folder.startswith("trials/"), "nobody lists the rest of the registry while it serves"
        self._may_fail()
        return [name for name in self._world.objects if name.startswith(folder)]

    def upload(self, source: Path, name: str) -> None:
        raise AssertionError("compiled forms are not simulated")

    def download(self, name: str, target: Path, most: int) -> None:
        raise AssertionError("compiled forms are not simulated")

    def _may_fail(self) -> None:
        if self._world.down or self._world.chance.random() < self._world.flaky:
            raise StorageUnavailable("simulated")
