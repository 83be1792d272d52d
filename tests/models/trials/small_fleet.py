"""A fleet on simulated time whose bucket works, and whose processes look in turn."""

from __future__ import annotations

import random

from models.artefacts import EngineChoice
from models.events import ModelEvent
from models.reference import ModelReference
from models.registry.pointer import LivePointer
from models.registry.records import Pointer
from models.registry.registry import Registry, Terms
from models.trials.terms import TrialTerms
from models.trials.trial import Trial
from tests.models.fleet.answers import SILENT, UNPROVED, WORSE, Answers
from tests.models.fleet.process import Process
from tests.models.fleet.world import FOLDER, PATTERN, Bucket, World, digest_of

LOOK_SECONDS = 20.0
CONTENTS = (
    "good old",
    "good new",
    "good other",
    "good third",
    WORSE,
    SILENT,
    UNPROVED,
    *(f"good {n}" for n in range(10)),
)


class Fleet:
    """Processes that look in turn, all hear the same, and answer.

    Args:
        terms: of each process.
    """

    def __init__(self, *terms: TrialTerms) -> None:
        self.world = World(random.Random(1), now=1e9)
        self.answers = Answers({digest_of(content): content for content in CONTENTS})
        self.processes: list[Process] = []
        self.told: list[ModelEvent] = []
        self.turn = self.messages = 0
        for each in terms:
            self.join(each)

    def join(self, terms: TrialTerms, skew: float = 0.0, adopts: bool = True, engine: EngineChoice = "auto") -> Process:
        process = Process(
            self.world, len(self.processes), skew, trials=terms, answers=self.answers, adopts=adopts, engine=engine
        )
        self.processes.append(process)
        return process

    @property
    def pointer(self) -> Pointer:
        pointer = self.world.pointer()
        assert pointer is not None
        return pointer

    @property
    def trial(self) -> Trial:
        trial = self.pointer.trial
        assert trial is not None
        return trial

    def look(self, messages: int = 0) -> None:
        """One process looks, all hear what it states, and messages come."""
        process = self.processes[self.turn % len(self.processes)]
        self.turn += 1
        process.look()
        for vetting in list(process.vettings):
            process.finish(vetting)
        stated = process.tick()
        if stated is not None:
            for each in self.processes:
                each.hear(stated)
        for _ in range(messages):
            self.messages += 1
            random.Random(self.messages).choice(self.processes).answer([f"message {self.messages}"])
        for each in self.processes:
            self.told += each.events.drain()

    def live_on(self, seconds: float, messages: int = 0) -> None:
        """Time passes, with a look now and then."""
        until = self.world.now + seconds
        while self.world.now < until:
            self.world.now = min(until, self.world.now + LOOK_SECONDS)
            self.look(messages)

    def upload(self, name: str, content: str) -> None:
        """A file comes, and is vetted."""
        self.world.now += 1
        self.world.upload(name, content)
        for _ in range(3):
            self.look()

    def begin(self, content: str = "good new") -> None:
        """A first model is live, and a second one is tried."""
        self.upload("old.h5", "good old")
        self.upload("new.h5", content)
        assert self.trial.new == model("new.h5", content)

    def kinds(self) -> list[str]:
        return [each.event for each in self.told if each.event.startswith("trial")]

    def person(self) -> LivePointer:
        live = Registry(Bucket(self.world), PATTERN, Terms("auto", 10)).live
        live.look(mend=False)
        return live


def model(name: str, content: str) -> ModelReference:
    return ModelReference(f"{FOLDER}/{name}", digest_of(content))
