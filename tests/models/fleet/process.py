"""One worker process of a simulated fleet: the real lookout, judging, claims and pointer, on simulated time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from models.artefacts import Artefact, EngineChoice, Manifest, Vetted
from models.card import Card, InputSpec
from models.catalogue import Catalogue
from models.errors import ModelFault, ModelRejected, VettingStopped
from models.events import EventLog
from models.following import Following
from models.judging import Judging
from models.lookout import Lookout
from models.reference import ModelReference, Statement
from models.registry.claims import Claims
from models.registry.registry import Registry, Terms
from models.storage import StoredFile
from models.trials.conduct import Conduct, Judge
from models.trials.terms import NO_TRIALS, TrialTerms
from tests.models.fleet.answers import Answers, Gatherer, judge_by_count
from tests.models.fleet.world import BAD, PATTERN, Bucket, World, digest_of

POLL_SECONDS = 30.0
_CARD = Card("m", "", (), "raw", InputSpec(1, 1))


class Vetting:
    """A file that is being vetted, in a thread that is held until the simulation lets it go on."""

    def __init__(self, file: StoredFile) -> None:
        self.file = file
        self.go_on = threading.Event()
        self.thread: threading.Thread | None = None
        self.killed = False
        self.is_due = False


class Process:
    """A worker process.

    Args:
        world: what it shares with the others.
        number: of the process.
        skew: seconds by which its clocks are wrong.
        kept_in: which registry it uses, where not all share one.
        trials: on which terms it has new models tried.
        answers: of the fleet.
        adopts: whether it is told where the registry is, and takes over what that states as it is.
        engine: that it asks for: verdicts of others with another one are not its own.
        judge: comes to judgements.
    """

    def __init__(
        self,
        world: World,
        number: int,
        skew: float,
        kept_in: str = "",
        trials: TrialTerms = NO_TRIALS,
        answers: Answers | None = None,
        adopts: bool = True,
        engine: EngineChoice = "auto",
        judge: Judge = judge_by_count,
    ) -> None:
        self.number = number
        self.events = EventLog()
        self.alive = True
        self.awake = False
        self.vettings: list[Vetting] = []
        self._handed = threading.local()
        self._world = world
        self._skew = skew
        self._reached = threading.Semaphore(0)
        bucket = Bucket(world, kept_in)
        self._claims = Claims(bucket, self.clock, beats=False)
        registry = Registry(bucket, PATTERN, Terms(engine, 10), self._claims)
        catalogue = Catalogue()
        vetter: Any = self
        self._registry = registry
        self._judging = Judging(
            catalogue, registry, vetter, self.events, POLL_SECONDS, False, self._submit, self._has_news
        )
        conduct = Conduct(registry, catalogue, self.events, trials, self.clock, judge)
        self._lookout = Lookout(bucket, registry, catalogue, self._judging, conduct, adopts, stopwatch=self.clock)
        self._gatherer = Gatherer(registry, f"worker-{number}", answers or Answers())
        self.following = Following(POLL_SECONDS, self.clock)

    def clock(self) -> float:
        """Its own, which is wrong by as much as it pleases."""
        return self._world.now + self._skew

    @property
    def is_busy(self) -> bool:
        """Whether its watch goes on looking without being asked."""
        return self.awake or self._judging.under_way

    def tick(self) -> Statement | None:
        """What it states when the fleet's clock asks it."""
        self.look()
        return self._lookout.statement

    def look(self) -> None:
        self.awake = False
        if self._lookout.look(self.clock):
            self.awake = True
        if not self._lookout.failures:
            self._judging.begin(self.clock())

    def next_change(self) -> float | None:
        """When it looks again though nobody asks."""
        return self._lookout.next_change(self.clock())

    def hear(self, statement: Statement) -> None:
        """A pane of the side input reaches it."""
        if self.following.hear(statement) and self.following.latest is not None:
            self._registry.live.remember(self.following.latest)
            self.awake = True

    def answer(self, keys: Sequence[str]) -> None:
        """Answers messages by what it has heard of."""
        self._gatherer.answer(self.following.latest, keys)

    def beat(self) -> None:
        self._claims.beat()

    def finish(self, vetting: Vetting) -> None:
        """A vetting comes to its end."""
        self.vettings.remove(vetting)
        vetting.go_on.set()
        assert vetting.thread is not None
        vetting.thread.join()
        self._reached.acquire()

    def kill(self) -> None:
        """The process is gone from one moment to the next; its claims stay."""
        self.alive = False
        for vetting in list(self.vettings):
            vetting.killed = True
            self.finish(vetting)

    def vet(self, uri: str) -> Vetted:
        """In place of a `Vetter`'s: takes as long as the simulation says."""
        file = self._world.files.get(uri)
        vetting = Vetting(self._handed.file)
        vetting.thread = threading.current_thread()
        self._world.note_vetting(vetting.file)
        self.vettings.append(vetting)
        self._reached.release()
        vetting.go_on.wait()
        self._world.vetting_now.remove(vetting.file)
        if vetting.killed:
            raise VettingStopped
        if file is None:
            raise FileNotFoundError(uri)
        reference = ModelReference(uri, digest_of(file.content))
        if uri in self._world.unsigned:
            raise ModelRejected(ModelFault.UNSIGNED, "there is no signature", reference.model_id)
        if file.content.startswith(BAD):
            raise ModelRejected(ModelFault.NOT_A_MODEL, "bad", reference.model_id)
        manifest = Manifest(reference.sha256, "onnx", "", _CARD, (1, 1, 3), "float32", (), 0.0)
        return Vetted(reference, Artefact(Path(), manifest))

    def share(self, vetted: Vetted) -> None:
        """Compiled forms are not simulated."""

    def prepare(self, keras: bool = True) -> None:
        """No child is prepared."""

    def _submit(self, call: Callable[[StoredFile], None], file: StoredFile) -> None:
        """Runs until the call is vetting, or over: one thing at a time happens in a simulation."""

        def run() -> None:
            self._handed.file = file
            try:
                call(file)
            finally:
                self._reached.release()

        threading.Thread(target=run, daemon=True).start()
        self._reached.acquire()

    def _has_news(self) -> None:
        self.awake = True
