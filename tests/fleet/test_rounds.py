"""Rollouts go on by themselves, are told of where that is news, and outlive the database's absence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fleet.fleet import Fleet
from fleet.rollouts import Plan
from fleet.rounds import Rounds
from fleet.twin_store import SqlTwins
from models.components.twin import Twin
from models.troubles import Troubles
from tests.fleet.simulated import Clock, add_devices, record, report, versions


def rounds_of(fleet: Fleet, said: list[str]) -> Rounds:
    """As a server makes them."""
    return Rounds(fleet, said.append, Troubles(said.append))


def look(rounds: Rounds, times: int = 6) -> None:
    """As many rounds as it takes to see what devices report."""
    for _ in range(times):
        rounds.once([])


def pass_by(rounds: Rounds, clock: Clock, seconds: int = 70) -> None:
    """A round each second."""
    for _ in range(seconds):
        clock.now += 1
        rounds.once([])


def test_how_far_a_rollout_is_is_told_once_a_step(fleet: Fleet, clock: Clock) -> None:
    said: list[str] = []
    rounds = rounds_of(fleet, said)
    devices = add_devices(fleet, 10)
    look(rounds)
    record(fleet, "1.0.0")
    fleet.rollouts.start("model", "1.0.0", Plan((10, 100), 60))
    look(rounds)
    assert said == ["rollout of model 1.0.0: 1 of 10 devices"]
    pass_by(rounds, clock)
    assert len(said) == 1
    for device in versions(fleet):
        report(fleet, device)
    pass_by(rounds, clock)
    assert said[1:] == ["rollout of model 1.0.0: 10 of 10 devices"]
    for device in devices:
        report(fleet, device)
    pass_by(rounds, clock)
    assert said[2:] == ["rollout of model 1.0.0: 10 of 10 devices, done"]


def test_one_that_halts_is_told_with_the_reason(fleet: Fleet, clock: Clock) -> None:
    said: list[str] = []
    rounds = rounds_of(fleet, said)
    add_devices(fleet, 10)
    look(rounds)
    record(fleet, "1.0.0")
    fleet.rollouts.start("model", "1.0.0", Plan((10, 100), 60))
    look(rounds)
    for device in versions(fleet):
        report(fleet, device, "failed")
    look(rounds)
    assert said[-1].startswith("halted: rollout of model 1.0.0 at 1 of 10 devices: ")
    pass_by(rounds, clock)
    assert len(versions(fleet)) == 1


def test_what_was_before_a_server_began_is_no_news(fleet: Fleet) -> None:
    add_devices(fleet, 2)
    record(fleet, "1.0.0")
    fleet.rollouts.start("model", "1.0.0")
    fleet.advance()
    said: list[str] = []
    look(rounds_of(fleet, said))
    assert said == []


def test_a_database_that_is_away_is_told_once_and_awaited(clock: Clock, tmp_path: Path) -> None:
    database = tmp_path / "fleet.db"
    said: list[str] = []
    with Fleet(str(database), clock=clock) as fleet:
        rounds = rounds_of(fleet, said)
        add_devices(fleet, 2)
        record(fleet, "1.0.0")
        fleet.rollouts.start("model", "1.0.0")
        fleet.close()
        away = database.rename(tmp_path / "away")
        database.mkdir()
        look(rounds)
        assert len(said) == 1
        database.rmdir()
        away.rename(database)
        look(rounds)
        assert said[1:] == ["the fleet's database answers again"]
        assert len(versions(fleet)) == 2


def test_when_devices_asked_is_kept(fleet: Fleet, clock: Clock) -> None:
    add_devices(fleet, 2)
    rounds = rounds_of(fleet, [])
    rounds.once(["robot-001"])
    clock.now += 31
    rounds.once([])
    rounds.seen_at_last(["robot-001"])
    fleet.devices.flush()
    assert [each.last_seen is not None for each in fleet.devices.all()] == [False, True]


def test_who_asked_while_the_database_was_away_is_kept(clock: Clock, tmp_path: Path) -> None:
    database = tmp_path / "fleet.db"
    with Fleet(str(database), clock=clock) as fleet:
        rounds = rounds_of(fleet, [])
        devices = add_devices(fleet, 3)
        fleet.close()
        away = database.rename(tmp_path / "away")
        database.mkdir()
        clock.now += 31
        rounds.once(devices)
        database.rmdir()
        away.rename(database)
        clock.now += 31
        rounds.once([])
        assert {each.last_seen for each in fleet.devices.all()} == {clock.now - 31}


def test_while_a_rollout_waits_twins_are_read_seldom(address: str, clock: Clock) -> None:
    read: list[float] = []

    class Counting(SqlTwins):
        def devices(self) -> Iterator[Twin]:
            read.append(clock.now)
            return super().devices()

    with Fleet(address, Counting, clock=clock) as fleet:
        record(fleet, "1.0.0", "2.0.0")
        add_devices(fleet, 4)
        fleet.rollouts.start("model", "2.0.0", Plan((50, 100), pause=25))
        fleet.advance()
        began = clock.now
        first, second = versions(fleet)
        read.clear()
        for _ in range(24):
            clock.now += 1
            fleet.advance()
        assert len(read) <= 3

        report(fleet, first)
        read.clear()
        fleet.advance()
        assert read == [clock.now]
        report(fleet, second)
        fleet.advance()
        assert len(versions(fleet)) == 2
        clock.now = began + 25
        fleet.advance()
        assert len(versions(fleet)) == 4
