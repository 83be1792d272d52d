"""Hundreds of fleets that try new models, each in an order of events of its own.

SEED=1234 python -m pytest tests/models/fleet/test_trials.py
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from models.reference import ModelReference
from models.registry.records import Pointer
from models.trials.policy import Policy
from models.trials.terms import TrialTerms
from tests.models.fleet.process import POLL_SECONDS
from tests.models.fleet.simulation import Simulation
from tests.models.fleet.world import BAD, World, digest_of

SEEDS = [int(os.environ["SEED"])] if "SEED" in os.environ else list(range(200))
STEPS = 150
PER_TEST = 25
CHUNKS = [SEEDS[start : start + PER_TEST] for start in range(0, len(SEEDS), PER_TEST)]
TERMS = (
    TrialTerms(Policy.parse("canary:20%/0.5,50%/1")),
    TrialTerms(Policy.parse("canary:5%/1"), undecided="promote"),
    TrialTerms(Policy.parse("shadow:30%/1.5")),
)


def rested(seed: int, damaged: bool = False) -> Simulation:
    """A fleet after a wild quarter of an hour, and long enough after for every trial to end."""
    simulation = Simulation(seed, processes=1 + seed % 7, damaged=damaged, trials=TERMS, people=True)
    simulation.run(STEPS)
    simulation.rest()
    return simulation


def expected(world: World, pointer: Pointer) -> ModelReference | None:
    """The newest valid file that was not rolled back; None where the rule leaves what is live as it is."""
    now = pointer.now.reference
    for uri, file in sorted(world.files.items(), key=lambda each: (each[1].uploaded, each[0]), reverse=True):
        reference = ModelReference(uri, digest_of(file.content))
        if file.content.startswith(BAD):
            continue
        if reference.sha256 in pointer.refused and reference != now:
            if uri == now.uri:
                return None
            continue
        return reference
    return None


def assert_at_rest(simulation: Simulation, seed: int) -> None:
    """All trials are over, and all processes agree on what the rule says."""
    pointer = simulation.world.pointer()
    if pointer is None:
        return
    assert pointer.trial is None, f"SEED={seed}"
    newest = expected(simulation.world, pointer)
    if newest is not None:
        assert pointer.now.reference == newest, f"SEED={seed}"
    for _ in range(2 * int(POLL_SECONDS / 5)):
        simulation.step()
    simulation.deliver_latest()
    followed = {process.following.latest for process in simulation.processes}
    assert followed == {pointer.statement}, f"SEED={seed}"


def assert_told_once(simulation: Simulation, seed: int) -> tuple[int, int]:
    """No event tells what did not happen, or happened once before; whatever somebody ended is known to be told.

    Returns:
        How many events were told, and how many there could have been.
    """
    told = Counter(event.event for event in simulation.told)
    ended = Counter(f"trial_{each.outcome}" for each in simulation.world.ended.values())
    begun = Counter("trial_share" if step else "trial_began" for _, step in simulation.world.steps_begun)
    for kind in ("trial_began", "trial_share", "trial_promoted", "trial_rolled_back"):
        assert told[kind] <= (begun + ended)[kind], f"SEED={seed}"
    pointer = simulation.world.pointer()
    assert pointer is None or all(each.told for each in pointer.ended), f"SEED={seed}"
    return sum(number for kind, number in told.items() if kind.startswith("trial_")), (begun + ended).total()


@pytest.mark.parametrize("seeds", CHUNKS, ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_every_trial_has_one_verdict_that_is_told_once_and_the_fleet_agrees_on_what_follows(seeds: list[int]) -> None:
    told = []
    for seed in seeds:
        simulation = rested(seed)
        assert simulation.faults == [], f"SEED={seed}"
        told.append(assert_told_once(simulation, seed))
        assert_at_rest(simulation, seed)
    events, possible = map(sum, zip(*told, strict=True))
    assert events >= 0.9 * possible or len(seeds) < PER_TEST  # a process that dies takes some with it


@pytest.mark.parametrize("seeds", CHUNKS, ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_a_fleet_that_tries_models_agrees_again_whatever_becomes_of_its_registry(seeds: list[int]) -> None:
    for seed in seeds:
        simulation = rested(seed, damaged=True)
        simulation.deliver_latest()
        for _ in range(200):
            simulation.step()
            simulation.deliver_latest()
        assert simulation.answers.faults == [], f"SEED={seed}"
        assert_at_rest(simulation, seed)
