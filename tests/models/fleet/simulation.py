"""A fleet in a box: worker processes, their bucket and their runner, in an order that a seed decides."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from models.events import ModelEvent
from models.reference import Statement
from models.trials.terms import NO_TRIALS, TrialTerms
from tests.models.fleet.answers import SILENT, WORSE, Answers
from tests.models.fleet.people import act
from tests.models.fleet.process import POLL_SECONDS, Process, Vetting
from tests.models.fleet.world import World, digest_of

_STEP_SECONDS = 5.0
_BEAT_SECONDS = 15.0
_LATE_PANES = 4
_NAMES = ("a.h5", "b.h5", "c.h5", "d.h5")
_TRIED = ("good four", "good five", WORSE, SILENT)
_CONTENTS = ("good one", "good two", "good three", "bad one", "bad two")


class Simulation:
    """A fleet, by its seed.

    Args:
        seed: decides everything.
        processes: at the beginning.
        damaged: whether registry objects are deleted and overwritten meanwhile.
        trials: the terms of its processes, of which each has one; new models go live at once where there are none.
        people: whether some of them interfere with trials.
    """

    def __init__(
        self,
        seed: int,
        processes: int,
        damaged: bool = False,
        trials: Sequence[TrialTerms] = (),
        people: bool = False,
    ) -> None:
        self._chance = random.Random(seed)
        self.world = World(random.Random(seed + 1), now=1e9)
        self._damaged = damaged
        self._trials = trials
        self._people = people
        self.world.tried_first = bool(trials)
        self.answers = Answers({digest_of(content): content for content in (*_CONTENTS, *_TRIED)})
        self.told: list[ModelEvent] = []
        self._begun = 0
        self.processes: list[Process] = []
        self.panes: list[Statement] = []
        self._due: list[tuple[float, Process, Vetting]] = []
        self._next_tick = self.world.now
        self._next_beat = self.world.now
        self._draining = False
        for _ in range(processes):
            self.add()

    @property
    def faults(self) -> list[str]:
        """Promises that were broken so far."""
        return self.world.faults + self.answers.faults

    def add(self) -> None:
        """A process more, cold."""
        skew = self._chance.choice((0.0, 0.0, -3600.0, 600.0, 86400.0))
        terms = self._chance.choice(self._trials) if self._trials else NO_TRIALS
        adopts = not self._trials or self._chance.random() < 0.5
        process = Process(self.world, self._begun, skew, trials=terms, answers=self.answers, adopts=adopts)
        self.processes.append(process)
        self._begun += 1

    def run(self, steps: int) -> None:
        """So many steps of five seconds, in each of which something may happen."""
        for _ in range(steps):
            self._something_happens()
            self.step()

    def rest(self) -> None:
        """All trouble ends, and nothing more happens, until long enough after for everything to be decided."""
        self.world.down = False
        self.world.flaky = 0.0
        self._draining = False
        if not self.processes:
            self.add()
        for _ in range(300):
            self.step()
        assert not self._due

    def step(self) -> None:
        """Five seconds pass: vettings end, the runner ticks and delivers, watches that are awake look."""
        self.world.now += _STEP_SECONDS
        self._finish_vettings()
        if self.world.now >= self._next_beat:
            self._next_beat += _BEAT_SECONDS
            for process in self.processes:
                process.beat()
        if self.world.now >= self._next_tick:
            self._next_tick += POLL_SECONDS
            self._tick()
        for process in self.processes:
            if process.is_busy:
                process.look()
        self._note_vettings()
        if self._trials:
            self._answer()

    def deliver_latest(self) -> None:
        """The newest pane reaches every process."""
        for process in self.processes:
            if self.panes:
                process.hear(self.panes[-1])

    def _answer(self) -> None:
        """Messages come to whichever process; some are answered twice, as bundles are retried."""
        keys = [f"message {self._chance.randrange(2000)}" for _ in range(20)]
        for process in self.processes:
            process.answer([key for key in keys if self._chance.random() < 0.5])
            self.told += process.events.drain()

    def _tick(self) -> None:
        if not self.processes or self._draining:
            return
        process = self._chance.choice(self.processes)
        stated = process.tick()
        if stated is not None and self._chance.random() > 0.05:  # else the bundle fails, and is tried again later
            self._put(stated)
        for process in self.processes:
            if self.panes and self._chance.random() < 0.8:
                process.hear(self._chance.choice(self.panes[-_LATE_PANES:]))

    def _put(self, stated: Statement) -> None:
        clash = [pane for pane in self.panes if pane.epoch == stated.epoch and pane != stated]
        if clash and not self.world.lost:
            self.world.faults.append(f"epoch {stated.epoch} means both {clash[0].encode()} and {stated.encode()}")
        self.panes.append(stated)

    def _finish_vettings(self) -> None:
        due = [each for each in self._due if each[0] <= self.world.now]
        self._due = [each for each in self._due if each[0] > self.world.now]
        for _, process, vetting in due:
            if process.alive:
                process.finish(vetting)

    def _note_vettings(self) -> None:
        for process in self.processes:
            for vetting in process.vettings:
                if not vetting.is_due:
                    vetting.is_due = True
                    self._due.append((self.world.now + self._chance.choice((5, 20, 90, 200)), process, vetting))

    def _something_happens(self) -> None:
        happenings: list[tuple[float, Callable[[], None]]] = [
            (0.10, self._a_file_comes),
            (0.02, self._a_file_goes),
            (0.02, self._a_file_is_touched),
            (0.04, self._a_process_dies),
            (0.04, self.add),
            (0.01, self._an_update_replaces_all),
            (0.03, self._the_bucket_goes_down_or_comes_back),
            (0.03, self._the_bucket_is_flaky_or_not),
            (0.01, self._the_ticks_stop_or_go_on),
            (0.03 if self._damaged else 0.0, self._an_object_is_damaged),
            (0.05 if self._people else 0.0, self._people_interfere),
        ]
        for probability, happens in happenings:
            if self._chance.random() < probability:
                happens()

    def _a_file_comes(self) -> None:
        contents = (*_CONTENTS, *_TRIED) if self._trials else _CONTENTS
        self.world.upload(self._chance.choice(_NAMES), self._chance.choice(contents))

    def _people_interfere(self) -> None:
        act(self.world, self._chance, self._chance.choice((1, 1, 2)))

    def _a_file_goes(self) -> None:
        if self.world.files:
            self.world.delete(self._chance.choice(sorted(self.world.files)))

    def _a_file_is_touched(self) -> None:
        if self.world.files:
            self.world.touch(self._chance.choice(sorted(self.world.files)))

    def _a_process_dies(self) -> None:
        if len(self.processes) > 1:
            self._kill(self._chance.choice(self.processes))

    def _an_update_replaces_all(self) -> None:
        number = len(self.processes)
        for process in list(self.processes):
            self._kill(process)
        for _ in range(number):
            self.add()

    def _kill(self, process: Process) -> None:
        self.processes.remove(process)
        self._due = [each for each in self._due if each[1] is not process]
        process.kill()

    def _the_bucket_goes_down_or_comes_back(self) -> None:
        self.world.down = not self.world.down

    def _the_bucket_is_flaky_or_not(self) -> None:
        self.world.flaky = 0.0 if self.world.flaky else 0.1

    def _the_ticks_stop_or_go_on(self) -> None:
        self._draining = not self._draining

    def _an_object_is_damaged(self) -> None:
        if not self.world.objects:
            return
        self.world.lost = True
        name = self._chance.choice(sorted(self.world.objects))
        match self._chance.choice(("gone", "nonsense", "empty")):
            case "gone":
                del self.world.objects[name]
            case "nonsense":
                self.world.objects[name] = b'{"format": 1, "pattern": 7}', self.world.next_generation()
            case _:
                self.world.objects[name] = b"", self.world.next_generation()
