"""Devices are let in by a token that the database does not hold; groups hold devices."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select

from fleet.devices import SEEN_EVERY_SECONDS
from fleet.errors import DeviceTaken, FleetError, GroupTaken, NoSuchDevice, NoSuchGroup
from fleet.fleet import Fleet
from fleet.store.database import database_url
from fleet.store.tables import devices
from models.components.twin import Reported
from tests.fleet.simulated import Clock, admits, record, versions


def last_seen(fleet: Fleet) -> dict[str, float | None]:
    return {device.name: device.last_seen for device in fleet.devices.all()}


def test_a_device_is_let_in_by_its_own_token_alone(fleet: Fleet) -> None:
    token, other = fleet.devices.add("robot-7"), fleet.devices.add("robot-8")

    assert admits(fleet, "robot-7", token)
    for wrong in (other, "", token[:-1], token + "a", token.lower(), "ä", "\udcff", "\0"):
        assert not admits(fleet, "robot-7", wrong)
    for nobody in ("robot-9", "", "ROBOT-7", "robot-7 ", "%", "ä", "a" * 1000, "robot-7\0", "\udcff"):
        assert not admits(fleet, nobody, token)
        with pytest.raises(NoSuchDevice):
            fleet.twins.read(nobody)
        with pytest.raises(NoSuchDevice):
            fleet.twins.write_reported(nobody, Reported())


def test_tokens_have_256_bits_and_are_not_in_the_database(address: str, tmp_path: Path) -> None:
    with Fleet(address) as fleet:
        tokens = [fleet.devices.add(f"robot-{number}") for number in range(3)]

    assert len({*tokens}) == 3
    assert {len(token) for token in tokens} == {43}
    engine = create_engine(database_url(address))
    with engine.connect() as connection:
        kept = list(connection.execute(select(devices.c.token_sha256)).scalars())
    engine.dispose()
    assert {len(digest) for digest in kept} == {32}
    for path in tmp_path.iterdir():
        assert not [token for token in tokens if token.encode() in path.read_bytes()]


def test_a_new_token_ends_the_one_before(fleet: Fleet) -> None:
    before = fleet.devices.add("robot-7")
    after = fleet.devices.renew_token("robot-7")

    assert admits(fleet, "robot-7", after)
    assert not admits(fleet, "robot-7", before)


def test_a_device_is_added_once(fleet: Fleet) -> None:
    token = fleet.devices.add("robot-7")

    with pytest.raises(DeviceTaken, match="robot-7"):
        fleet.devices.add("robot-7")

    assert admits(fleet, "robot-7", token)


@pytest.mark.parametrize("name", ["", "-a", ".a", "a/b", "a b", "ä", "a\n", "a" * 129, "../a"])
def test_a_name_that_an_address_cannot_hold_is_refused(fleet: Fleet, name: str) -> None:
    with pytest.raises(FleetError, match="cannot name a device"):
        fleet.devices.add(name)
    with pytest.raises(FleetError, match="cannot name a group"):
        fleet.groups.add(name)

    assert fleet.devices.all() == []
    assert fleet.groups.all() == {}


def test_a_device_that_cannot_follow_what_it_is_to_follow_is_not_added(fleet: Fleet) -> None:
    with pytest.raises(FleetError, match="not a name"):
        fleet.devices.add("robot-7", follow="a/b")

    assert fleet.devices.all() == []


def test_a_device_that_is_removed_leaves_nothing_to_one_of_its_name(fleet: Fleet) -> None:
    record(fleet, "1.0.0")
    token = fleet.devices.add("robot-7")
    fleet.groups.add("lab")
    fleet.groups.add_members("lab", ["robot-7"])
    fleet.rollouts.start("model")
    fleet.advance()
    assert versions(fleet) == {"robot-7": "1.0.0"}

    fleet.devices.remove("robot-7")
    again = fleet.devices.add("robot-7", follow=None)
    fleet.advance()

    assert not admits(fleet, "robot-7", token)
    assert admits(fleet, "robot-7", again)
    assert fleet.groups.all() == {"lab": []}
    assert versions(fleet) == {}


def test_what_is_not_there_is_told_so(fleet: Fleet) -> None:
    for call in (fleet.devices.remove, fleet.devices.renew_token):
        with pytest.raises(NoSuchDevice, match="hotswap fleet list"):
            call("robot-7")
        with pytest.raises(NoSuchDevice, match=r"'\\udcff'"):
            call("\udcff")


def test_devices_tell_how_they_were_added(fleet: Fleet, clock: Clock) -> None:
    fleet.devices.add("robot-8", target="linux-aarch64")
    fleet.devices.add("robot-7")
    for group in ("yard", "lab"):
        fleet.groups.add(group)
        fleet.groups.add_members(group, ["robot-7"])

    seven, eight = fleet.devices.all()

    assert (seven.name, seven.target, seven.groups) == ("robot-7", "linux-x86_64", ("lab", "yard"))
    assert (eight.name, eight.target, eight.groups) == ("robot-8", "linux-aarch64", ())
    assert (eight.created, eight.last_seen) == (clock.now, None)


def test_when_devices_were_seen_is_written_in_batches(fleet: Fleet, clock: Clock) -> None:
    for name in ("robot-7", "robot-8"):
        fleet.devices.add(name)
    began = clock.now

    fleet.devices.seen("robot-7")
    clock.now += 5
    fleet.devices.seen("robot-8")
    assert set(last_seen(fleet).values()) == {None}

    clock.now = began + SEEN_EVERY_SECONDS
    fleet.devices.seen("robot-7")
    assert last_seen(fleet) == {"robot-7": clock.now, "robot-8": began + 5}


def test_when_devices_were_seen_is_written_at_the_end(address: str, clock: Clock) -> None:
    with Fleet(address, clock=clock) as fleet:
        fleet.devices.add("robot-7")
        fleet.devices.seen("robot-7")
        fleet.devices.seen("a-stranger")

    with Fleet(address) as fleet:
        assert last_seen(fleet) == {"robot-7": clock.now}


def test_a_clock_that_was_set_back_hides_no_device(fleet: Fleet, clock: Clock) -> None:
    fleet.devices.add("robot-7")
    fleet.devices.seen("robot-7")
    fleet.devices.flush()
    clock.now -= 3600

    fleet.devices.seen("robot-7")
    assert last_seen(fleet) == {"robot-7": clock.now}

    clock.now += SEEN_EVERY_SECONDS
    fleet.devices.seen("robot-7")
    assert last_seen(fleet) == {"robot-7": clock.now}


def test_of_two_servers_the_later_sight_of_a_device_is_kept(address: str) -> None:
    early, late = Clock(100.0), Clock(200.0)
    with Fleet(address, clock=early) as one, Fleet(address, clock=late) as two:
        one.devices.add("robot-7")
        two.devices.seen("robot-7")
        two.devices.flush()
        one.devices.seen("robot-7")
        one.devices.flush()

        assert last_seen(one) == {"robot-7": 200.0}


def test_groups_take_devices_in_and_let_them_go(fleet: Fleet) -> None:
    for name in ("a", "b", "c"):
        fleet.devices.add(name)
    fleet.groups.add("lab")
    fleet.groups.add_members("lab", ["c", "a", "c"])
    fleet.groups.add_members("lab", ["b", "a"])
    assert fleet.groups.all() == {"lab": ["a", "b", "c"]}

    fleet.groups.remove_members("lab", ["b", "not-in-it"])

    assert fleet.groups.all() == {"lab": ["a", "c"]}


def test_members_are_taken_all_or_none(fleet: Fleet) -> None:
    fleet.devices.add("a")
    fleet.groups.add("lab")

    with pytest.raises(NoSuchDevice, match="'b'"):
        fleet.groups.add_members("lab", ["a", "b"])

    assert fleet.groups.all() == {"lab": []}


def test_a_group_is_added_once_and_may_be_absent(fleet: Fleet) -> None:
    fleet.groups.add("lab")

    with pytest.raises(GroupTaken, match="lab"):
        fleet.groups.add("lab")
    for call in (fleet.groups.add_members, fleet.groups.remove_members):
        with pytest.raises(NoSuchGroup, match="yard"):
            call("yard", [])
    with pytest.raises(NoSuchGroup, match="yard"):
        fleet.groups.remove("yard")


def test_a_group_that_goes_takes_no_device_along(fleet: Fleet) -> None:
    fleet.devices.add("a")
    fleet.groups.add("lab")
    fleet.groups.add_members("lab", ["a"])

    fleet.groups.remove("lab")

    assert fleet.groups.all() == {}
    assert [device.groups for device in fleet.devices.all()] == [()]


def test_what_a_poll_needs_is_one_answer_for_many(fleet: Fleet) -> None:
    token = fleet.devices.add("robot-1")
    fleet.devices.add("robot-2")
    heads = fleet.devices.heads(["robot-1", "robot-2", "nobody"])
    assert heads.keys() == {"robot-1", "robot-2"}
    assert heads["robot-1"].token_sha256 == hashlib.sha256(token.encode()).digest()
    assert heads["robot-1"].etag == fleet.twins.read("robot-1").etag
    assert fleet.devices.heads([]) == {}
