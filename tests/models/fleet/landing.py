"""`python -m tests.models.fleet.landing`: from a file's landing until a whole fleet has heard of it, simulated.

The real watching, claiming and stating runs on simulated time: a tick comes to a random process each poll, and its pane
reaches all. With a registry of its own, as before there was a shared one, each process vets for itself, four beside
each other on a machine.
"""

from __future__ import annotations

import random
import statistics

from tests.models.fleet.process import POLL_SECONDS, Process, Vetting
from tests.models.fleet.world import World

VETTING_SECONDS = 10.0
"""Of MobileNetV2 on one core that is not idle."""
PROCESSES_A_MACHINE = 4
SIZES = (3, 30, 300)
_STEP_SECONDS = 1.0
_LANDINGS = 5


def landing(processes: int, shared: bool, seed: int) -> tuple[float, int]:
    """Seconds until the last process has heard of a file, and how often it was vetted."""
    chance = random.Random(seed)
    world = World(random.Random(seed), now=1e9)
    fleet = [Process(world, number, 0.0, "" if shared else f"{number}/") for number in range(processes)]
    world.upload("old.h5", "good old")
    _until_heard(world, fleet, chance, shared)
    world.vettings = 0
    world.upload("new.h5", "good new")
    return _until_heard(world, fleet, chance, shared), world.vettings


def _until_heard(world: World, fleet: list[Process], chance: random.Random, shared: bool) -> float:
    """Until a tick states the newest file: its pane reaches all, and whoever has not vetted it begins to."""
    landed = world.now
    next_tick = world.now + chance.random() * POLL_SECONDS
    due: list[tuple[float, Process, Vetting]] = []
    stated = None
    while stated != world.newest_valid() or (due and not shared):
        world.now += _STEP_SECONDS
        for _, process, vetting in [each for each in due if each[0] <= world.now]:
            process.finish(vetting)
        due = [each for each in due if each[0] > world.now]
        if world.now >= next_tick:
            next_tick += POLL_SECONDS
            told = chance.choice(fleet).tick()
            stated = told.reference if told else None
        for process in fleet:
            if process.is_busy or (not shared and world.now >= next_tick - _STEP_SECONDS):
                process.look()  # without a registry whoever was ever asked goes on looking
            for vetting in [each for each in process.vettings if not each.is_due]:
                vetting.is_due = True
                beside = 1 if shared else min(PROCESSES_A_MACHINE, len(fleet))
                due.append((world.now + VETTING_SECONDS * beside, process, vetting))
    return world.now - landed


def main() -> None:
    """Prints a row for each size of fleet."""
    print("workers  registry  seconds (median)  vettings")
    for processes in SIZES:
        for shared in (False, True):
            told = [landing(processes, shared, seed) for seed in range(_LANDINGS)]
            seconds = statistics.median(each[0] for each in told)
            print(f"{processes:7}  {'shared' if shared else 'none':8}  {seconds:16.0f}  {told[0][1]:8}")


if __name__ == "__main__":
    main()
