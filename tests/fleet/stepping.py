"""A fleet goes on step by step, and its devices say that they run what they are to."""

from __future__ import annotations

from fleet.fleet import Fleet
from fleet.rollouts import Plan
from tests.fleet.simulated import report, versions

HALVES = Plan((50, 100))


def step(fleet: Fleet) -> dict[str, str]:
    """What devices are to run once the fleet was taken on."""
    fleet.advance()
    return versions(fleet)


def all_report(fleet: Fleet) -> None:
    """All devices say that they run what they are to."""
    for device in versions(fleet):
        report(fleet, device)


def finish(fleet: Fleet) -> dict[str, str]:
    """What devices are to run once all said that they run it, as often as it takes."""
    while fleet.advance() or any(each.rollout.state == "running" for each in fleet.rollouts.status()):
        all_report(fleet)
    return versions(fleet)
