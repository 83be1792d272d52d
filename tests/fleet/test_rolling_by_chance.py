"""Whatever happens to a fleet while releases come and go, no share is passed and all end with one release."""

from __future__ import annotations

from random import Random

import pytest

from fleet.errors import NoSuchRelease, NoSuchRollout
from fleet.fleet import Fleet
from fleet.rollouts import PATIENCE_SECONDS, Plan, allowed
from tests.fleet.interruptions import Interrupted, interrupted
from tests.fleet.simulated import Clock, record, release, report, versions
from tests.fleet.writing import write_model

OTHER = release("7.0.0", "other").desired()
PLANS = (Plan((20, 60, 100)), Plan((50, 100), pause=30), Plan((10, 100), halt=50), Plan())


class Life:
    """What happens to a fleet by chance.

    Args:
        servers: two that have its database open.
    """

    def __init__(self, servers: tuple[Fleet, Fleet], clock: Clock, chance: Random) -> None:
        self.fleet = servers[0]
        self.servers, self.clock, self.chance = servers, clock, chance
        self.released = 0
        for _ in range(8):
            self.add()
        self.release()

    def add(self) -> None:
        device = f"robot-{self.chance.randrange(10**9)}"
        self.fleet.devices.add(device)
        write_model(self.fleet.twins, device, OTHER)

    def remove(self) -> None:
        devices = [device.name for device in self.fleet.devices.all()]
        if len(devices) > 4:
            self.fleet.devices.remove(self.chance.choice(devices))

    def release(self) -> None:
        self.released += 1
        record(self.fleet, f"{self.released}.0.0")
        self.fleet.rollouts.go_live("model", f"{self.released}.0.0", self.chance.choice(PLANS))

    def advance(self) -> None:
        with interrupted(self.chance.choice([None, self.chance.randrange(40)])):
            try:
                self.chance.choice(self.servers).advance()
            except Interrupted:
                return

    def say(self) -> None:
        told = sorted(versions(self.fleet))
        for device in self.chance.sample(told, len(told) // 2):
            report(self.fleet, device, self.chance.choices(("running", "trial", "failed"), (8, 2, 1))[0])

    def decide(self) -> None:
        goes_on = self.chance.random() < 0.5
        try:
            self.fleet.rollouts.go_on("model") if goes_on else self.fleet.rollouts.halt("model")
        except NoSuchRollout:
            return

    def take_back(self) -> None:
        try:
            self.fleet.rollouts.back("model")
        except NoSuchRelease:
            return

    def happen(self) -> None:
        before = self.fleet.rollouts.status()[0]
        what = self.chance.choices(
            [self.advance, self.say, self.add, self.remove, self.decide, self.release, self.take_back],
            [12, 6, 2, 1, 1, 1, 0.5],
        )[0]
        what()
        self.clock.now += self.chance.choice([1, 1, 5, 20])
        if what != self.advance:
            return
        after = self.fleet.rollouts.status()[0]
        if before.rollout.state == "halted":
            assert after.reached == before.reached
        if after.rollout.state in ("running", "halted"):
            share = after.rollout.plan.shares[after.rollout.step]
            assert after.reached <= max(before.reached, allowed(after.followers, share))
        version = after.rollout.version
        if [each.version for each in self.fleet.rollouts.all()].count(version) == 1:
            assert list(versions(self.fleet).values()).count(version) <= after.reached


@pytest.mark.parametrize("seed", range(4))
def test_no_share_is_passed_and_all_end_with_one_release(fleet: Fleet, address: str, clock: Clock, seed: int) -> None:
    with Fleet(address, clock=clock) as second:
        life = Life((fleet, second), clock, Random(seed))
        for _ in range(60):
            life.happen()

        last = fleet.rollouts.all()[-1].version
        for _ in range(10):
            if fleet.rollouts.all()[-1].state == "halted":
                fleet.rollouts.go_on("model")
            fleet.advance()
            for device in versions(fleet):
                report(fleet, device)
            clock.now += PATIENCE_SECONDS / 15
        assert fleet.rollouts.all()[-1].state == "done"
        assert versions(fleet) == {device.name: last for device in fleet.devices.all()}
        assert {twin.models[0] for twin in fleet.twins.devices()} <= {OTHER, release(last).desired()}
        assert {len(twin.models) for twin in fleet.twins.devices()} == {2}
