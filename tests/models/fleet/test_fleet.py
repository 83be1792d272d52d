"""Hundreds of fleets, each in an order of events of its own; a seed that fails is printed, and fails again.

SEED=1234 python -m pytest tests/models/fleet
"""

from __future__ import annotations

import os

import pytest

from tests.models.fleet.process import POLL_SECONDS
from tests.models.fleet.simulation import Simulation
from tests.models.fleet.world import World

SEEDS = [int(os.environ["SEED"])] if "SEED" in os.environ else list(range(300))
STEPS = 150
PER_TEST = 25
CHUNKS = [SEEDS[start : start + PER_TEST] for start in range(0, len(SEEDS), PER_TEST)]


def rested(seed: int, damaged: bool = False) -> Simulation:
    """A fleet after a wild quarter of an hour and a quiet half hour."""
    simulation = Simulation(seed, processes=1 + seed % 7, damaged=damaged)
    simulation.run(STEPS)
    simulation.rest()
    return simulation


def stated(world: World) -> object:
    pointer = world.pointer()
    return pointer.now.reference if pointer else None


@pytest.mark.parametrize("seeds", CHUNKS, ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_a_fleet_agrees_on_the_newest_valid_model_and_keeps_its_promises_on_the_way(
    seeds: list[int],
) -> None:
    for seed in seeds:
        simulation = rested(seed)
        assert simulation.faults == [], f"SEED={seed}"
        newest = simulation.world.newest_valid()
        if newest is not None:
            assert stated(simulation.world) == newest, f"SEED={seed}"


@pytest.mark.parametrize("seeds", CHUNKS, ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_every_worker_is_on_the_pointer_within_two_polls(seeds: list[int]) -> None:
    for seed in seeds:
        simulation = rested(seed)
        pointer = simulation.world.pointer()
        if pointer is None:
            continue
        for _ in range(2):
            for _ in range(int(POLL_SECONDS / 5)):
                simulation.step()
            simulation.deliver_latest()
        followed = {process.following.latest for process in simulation.processes}
        assert [(each and each.reference, each and each.epoch) for each in followed] == [
            (pointer.now.reference, pointer.now.epoch)
        ], f"SEED={seed}"


@pytest.mark.parametrize("seeds", CHUNKS, ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_a_fleet_agrees_again_whatever_becomes_of_its_registry(seeds: list[int]) -> None:
    for seed in seeds:
        simulation = rested(seed, damaged=True)
        simulation.deliver_latest()
        for _ in range(60):
            simulation.step()
            simulation.deliver_latest()
        newest = simulation.world.newest_valid()
        if newest is None:
            continue
        assert stated(simulation.world) == newest, f"SEED={seed}"
        pointer = simulation.world.pointer()
        assert pointer is not None
        followed = {process.following.latest for process in simulation.processes}
        assert [each and each.reference for each in followed] == [newest], f"SEED={seed}"
