"""Releases come to devices by what is kept alone: who is interrupted, or not alone, changes nothing of the outcome."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from fleet.errors import NoSuchGroup, NoSuchRelease, NoSuchRollout
from fleet.fleet import Fleet
from fleet.rollouts import PATIENCE_SECONDS, Plan
from fleet.twin_store import write_model
from models.components.twin import Reported
from tests.fleet.interruptions import Interrupted, interrupted, overtaken
from tests.fleet.simulated import Clock, add_devices, record, release, report, versions

HALVES = Plan((50, 100))


def step(fleet: Fleet) -> dict[str, str]:
    fleet.advance()
    return versions(fleet)


def all_report(fleet: Fleet) -> None:
    for device in versions(fleet):
        report(fleet, device)


def finish(fleet: Fleet) -> dict[str, str]:
    """What devices are to run once all said that they run it, as often as it takes."""
    while fleet.advance() or any(each.rollout.state == "running" for each in fleet.rollouts.status()):
        all_report(fleet)
    return versions(fleet)


def test_a_release_comes_to_all_that_follow_and_to_nobody_else(fleet: Fleet) -> None:
    record(fleet, "1.0.0")
    names = add_devices(fleet, 3)
    fleet.devices.add("other", follow="another-model")
    fleet.devices.add("none", follow=None)

    fleet.rollouts.start("model")

    assert step(fleet) == dict.fromkeys(names, "1.0.0")


def test_only_the_entry_of_that_name_is_replaced(fleet: Fleet) -> None:
    record(fleet, "1.0.0", "2.0.0")
    [name] = add_devices(fleet, 1)
    first, last = (release("7.0.0", other).desired() for other in ("a", "z"))
    for model in (first, release("1.0.0").desired(), last):
        write_model(fleet.twins, name, model)

    fleet.rollouts.start("model", "2.0.0")
    fleet.advance()

    assert fleet.twins.read(name).models == (first, release("2.0.0").desired(), last)


def test_nothing_is_written_where_nothing_changes(fleet: Fleet) -> None:
    record(fleet, "1.0.0")
    [name] = add_devices(fleet, 1)
    fleet.rollouts.start("model")
    assert fleet.advance() == 1
    twin = fleet.twins.read(name)

    assert [fleet.advance(1.8e9 + seconds) for seconds in range(0, 1000, 100)] == [0] * 10
    assert fleet.twins.read(name) == twin


def test_a_rollout_goes_from_share_to_share_as_devices_report(fleet: Fleet) -> None:
    record(fleet, "1.0.0", "2.0.0")
    names = add_devices(fleet, 6)
    fleet.rollouts.start("model", "1.0.0")
    finish(fleet)
    fleet.rollouts.start("model", "2.0.0", HALVES)

    assert sorted(step(fleet).values()) == ["1.0.0"] * 3 + ["2.0.0"] * 3
    assert fleet.advance() == 0
    all_report(fleet)

    assert step(fleet) == dict.fromkeys(names, "2.0.0")
    assert fleet.rollouts.all()[-1].state == "running"
    all_report(fleet)
    fleet.advance()
    assert fleet.rollouts.all()[-1].state == "done"


def test_it_halts_at_failures_and_who_took_it_in_keeps_it(fleet: Fleet, clock: Clock) -> None:
    record(fleet, "1.0.0", "2.0.0")
    add_devices(fleet, 4)
    fleet.rollouts.start("model", "1.0.0")
    finish(fleet)
    fleet.rollouts.start("model", "2.0.0", HALVES)
    reached = [name for name, version in step(fleet).items() if version == "2.0.0"]
    report(fleet, reached[0], "failed")

    clock.now += 10_000
    for _ in range(3):
        assert sorted(step(fleet).values()) == ["1.0.0"] * 2 + ["2.0.0"] * 2
    [status] = fleet.rollouts.status()
    assert (status.rollout.state, status.rollout.note) == ("halted", "1 of 2 devices failed, more than 10 %")
    assert (status.followers, status.reached, status.running, status.failed, status.silent) == (4, 2, 0, 1, 1)
    fleet.devices.add("late")
    assert step(fleet)["late"] == "1.0.0"


def test_a_halted_rollout_goes_on_when_it_is_told(fleet: Fleet, clock: Clock) -> None:
    record(fleet, "2.0.0")
    names = add_devices(fleet, 4)
    fleet.rollouts.start("model", plan=HALVES)
    reached = list(step(fleet))
    report(fleet, reached[0], "failed")
    fleet.advance()

    fleet.rollouts.go_on("model")
    assert len(step(fleet)) == 2
    report(fleet, reached[1])

    assert step(fleet) == dict.fromkeys(names, "2.0.0")


def test_a_rollout_is_halted_by_hand(fleet: Fleet) -> None:
    record(fleet, "2.0.0")
    add_devices(fleet, 4)
    fleet.rollouts.start("model", plan=HALVES)
    fleet.advance()
    fleet.rollouts.halt("model", "smoke in the lab")
    all_report(fleet)

    assert len(step(fleet)) == 2
    assert fleet.rollouts.all()[-1].note == "smoke in the lab"


def test_it_is_taken_back_to_what_was_rolled_out_before(fleet: Fleet) -> None:
    record(fleet, "1.0.0", "2.0.0", "3.0.0")
    names = add_devices(fleet, 4)
    fleet.rollouts.start("model", "1.0.0")
    finish(fleet)
    fleet.rollouts.start("model", "3.0.0", HALVES)
    fleet.advance()
    fleet.rollouts.halt("model")

    back = fleet.rollouts.back("model")

    assert back.version == "1.0.0"
    assert step(fleet) == dict.fromkeys(names, "1.0.0")
    assert [each.state for each in fleet.rollouts.all()][:2] == ["done", "superseded"]


def test_without_a_rollout_before_it_is_taken_back_to_the_version_before(fleet: Fleet) -> None:
    record(fleet, "1.0.0", "2.0.0", "3.0.0")
    fleet.rollouts.start("model", "3.0.0")

    assert fleet.rollouts.back("model").version == "2.0.0"


def test_each_time_that_it_is_taken_back_it_goes_further_back(fleet: Fleet) -> None:
    record(fleet, "1.0.0", "2.0.0", "3.0.0")
    names = add_devices(fleet, 2)
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        fleet.rollouts.start("model", version)
        finish(fleet)

    for expected in ("2.0.0", "1.0.0"):
        assert fleet.rollouts.back("model").version == expected
        assert finish(fleet) == dict.fromkeys(names, expected)
    with pytest.raises(NoSuchRelease, match="no release before"):
        fleet.rollouts.back("model")

    fleet.rollouts.start("model", "3.0.0")
    finish(fleet)
    assert fleet.rollouts.back("model").version == "1.0.0"


def test_a_version_that_was_rolled_out_anew_may_be_gone_back_to(fleet: Fleet) -> None:
    record(fleet, "1.0.0", "2.0.0", "3.0.0")
    add_devices(fleet, 1)
    for version in ("1.0.0", "2.0.0"):
        fleet.rollouts.start("model", version)
        finish(fleet)
    fleet.rollouts.back("model")
    finish(fleet)
    for version in ("2.0.0", "3.0.0"):
        fleet.rollouts.start("model", version)
        finish(fleet)

    assert fleet.rollouts.back("model").version == "2.0.0"


def test_without_a_rollout_before_each_time_takes_a_smaller_version(fleet: Fleet) -> None:
    record(fleet, "1.0.0", "2.0.0", "3.0.0")
    fleet.rollouts.start("model", "3.0.0")

    assert [fleet.rollouts.back("model").version for _ in range(2)] == ["2.0.0", "1.0.0"]


def test_what_cannot_be_done_with_a_rollout_is_told_so(fleet: Fleet) -> None:
    with pytest.raises(NoSuchRelease, match="model"):
        fleet.rollouts.start("model")
    with pytest.raises(NoSuchRollout, match="nothing of model"):
        fleet.rollouts.back("model")
    record(fleet, "1.0.0")
    with pytest.raises(NoSuchRelease, match=r"2\.0\.0"):
        fleet.rollouts.start("model", "2.0.0")
    with pytest.raises(NoSuchGroup, match="lab"):
        fleet.rollouts.start("model", group="lab")
    with pytest.raises(NoSuchRollout, match="is running"):
        fleet.rollouts.halt("model")
    fleet.rollouts.start("model")
    with pytest.raises(NoSuchRollout, match="is halted"):
        fleet.rollouts.go_on("model")
    with pytest.raises(NoSuchRelease, match="no release before"):
        fleet.rollouts.back("model")
    assert [each.state for each in fleet.rollouts.all()] == ["running"]


def test_a_new_rollout_takes_the_place_of_one_on_its_way(fleet: Fleet) -> None:
    record(fleet, "1.0.0", "2.0.0", "3.0.0")
    add_devices(fleet, 8)
    fleet.rollouts.start("model", "1.0.0")
    finish(fleet)
    fleet.rollouts.start("model", "2.0.0", HALVES)
    fleet.advance()
    fleet.rollouts.start("model", "3.0.0", Plan((25, 100)))

    now = step(fleet)

    assert list(now.values()).count("3.0.0") == 2
    assert list(now.values()).count("1.0.0") >= 2
    assert finish(fleet) == dict.fromkeys(now, "3.0.0")
    assert [each.state for each in fleet.rollouts.all()] == ["done", "superseded", "done"]


def test_a_device_that_is_added_gets_at_once_what_is_rolled_out(fleet: Fleet) -> None:
    record(fleet, "1.0.0")
    fleet.rollouts.start("model")
    fleet.advance()
    fleet.devices.add("late")

    assert step(fleet) == {"late": "1.0.0"}
    [status] = fleet.rollouts.status()
    assert (status.rollout.state, status.followers, status.reached) == ("done", 1, 1)


def test_a_device_that_is_added_on_the_way_counts_into_the_share(fleet: Fleet) -> None:
    record(fleet, "2.0.0")
    add_devices(fleet, 4)
    fleet.rollouts.start("model", plan=HALVES)
    assert len(step(fleet)) == 2

    for name in ("late-1", "late-2"):
        fleet.devices.add(name)

    assert len(step(fleet)) == 3


def test_each_device_gets_the_archive_of_its_target(fleet: Fleet) -> None:
    record(fleet, "1.0.0", targets=("linux-x86_64", "linux-aarch64"))
    fleet.devices.add("pc")
    fleet.devices.add("pi", target="linux-aarch64")
    fleet.rollouts.start("model")
    fleet.advance()

    sent = {twin.device: [model.sha256 for model in twin.models] for twin in fleet.twins.devices()}
    assert sent == {
        "pc": [release("1.0.0").sha256],
        "pi": [release("1.0.0", target="linux-aarch64").sha256],
    }


def test_a_device_whose_target_has_no_archive_waits_and_holds_nobody_up(fleet: Fleet) -> None:
    record(fleet, "1.0.0")
    fleet.devices.add("pc")
    fleet.devices.add("pi", target="linux-aarch64")
    fleet.rollouts.start("model")
    assert finish(fleet) == {"pc": "1.0.0"}

    record(fleet, "1.0.0", targets=("linux-aarch64",))

    assert step(fleet) == {"pc": "1.0.0", "pi": "1.0.0"}


def test_what_a_device_says_of_its_target_holds(fleet: Fleet) -> None:
    record(fleet, "1.0.0", targets=("linux-x86_64", "linux-aarch64"))
    fleet.devices.add("pi", target="linux-aarch64")
    assert fleet.targets() == {"linux-aarch64"}
    report(fleet, "pi")
    assert fleet.targets() == {"linux-x86_64"}

    fleet.rollouts.start("model")
    fleet.advance()

    assert fleet.twins.read("pi").models[0].sha256 == release("1.0.0").sha256


def test_a_rollout_to_a_group_reaches_nobody_else(fleet: Fleet) -> None:
    record(fleet, "1.0.0", "2.0.0")
    names = add_devices(fleet, 4)
    fleet.rollouts.start("model", "1.0.0")
    finish(fleet)
    fleet.groups.add("lab")
    fleet.groups.add_members("lab", names[:1])

    fleet.rollouts.start("model", "2.0.0", group="lab")

    assert finish(fleet) == {names[0]: "2.0.0"} | dict.fromkeys(names[1:], "1.0.0")


@pytest.fixture
def groups(fleet: Fleet) -> Fleet:
    """Six devices that run 1.0.0, the first two in the group lab and the next two in yard; three more releases."""
    record(fleet, "1.0.0", "2.0.0", "3.0.0", "4.0.0")
    names = add_devices(fleet, 6)
    for group, members in {"lab": names[:2], "yard": names[2:4]}.items():
        fleet.groups.add(group)
        fleet.groups.add_members(group, members)
    fleet.rollouts.start("model", "1.0.0")
    finish(fleet)
    return fleet


def in_order(fleet: Fleet) -> list[str]:
    return [version for _, version in sorted(step(fleet).items())]


def test_rollouts_to_two_groups_go_on_side_by_side(groups: Fleet) -> None:
    groups.rollouts.start("model", "2.0.0", HALVES, group="lab")
    groups.advance()
    groups.rollouts.start("model", "3.0.0", HALVES, group="yard")
    groups.advance()
    assert [each.state for each in groups.rollouts.all()] == ["done", "running", "running"]

    finish(groups)

    assert in_order(groups) == ["2.0.0"] * 2 + ["3.0.0"] * 2 + ["1.0.0"] * 2
    assert [each.rollout.group for each in groups.rollouts.status()] == [None, "lab", "yard"]


def test_a_rollout_to_a_group_ends_none_to_all_and_its_devices_follow_the_later_one(groups: Fleet) -> None:
    groups.rollouts.start("model", "2.0.0", HALVES)
    groups.advance()
    groups.rollouts.start("model", "3.0.0", group="lab")

    finish(groups)

    assert in_order(groups) == ["3.0.0"] * 2 + ["2.0.0"] * 4
    assert [each.state for each in groups.rollouts.all()] == ["done"] * 3
    assert [(each.followers, each.running) for each in groups.rollouts.status()] == [(4, 4), (2, 2)]


def test_a_rollout_to_all_ends_those_to_groups(groups: Fleet) -> None:
    groups.rollouts.start("model", "2.0.0", HALVES, group="lab")
    groups.advance()
    groups.rollouts.start("model", "3.0.0")

    finish(groups)

    assert in_order(groups) == ["3.0.0"] * 6
    assert [each.state for each in groups.rollouts.all()] == ["done", "superseded", "done"]


def test_of_several_groups_one_is_named(groups: Fleet) -> None:
    for group in ("lab", "yard"):
        groups.rollouts.start("model", "2.0.0", HALVES, group=group)
    with pytest.raises(NoSuchRollout, match="in the groups lab, yard: say which one, by --group"):
        groups.rollouts.halt("model")

    groups.rollouts.halt("model", group="yard")
    assert [each.state for each in groups.rollouts.all()] == ["done", "running", "halted"]
    assert groups.rollouts.go_on("model").group == "yard"
    with pytest.raises(NoSuchRollout, match="is halted in the group lab"):
        groups.rollouts.go_on("model", "lab")


def test_a_group_goes_back_to_what_its_devices_had_and_all_to_what_all_had(groups: Fleet) -> None:
    groups.rollouts.start("model", "2.0.0", group="lab")
    finish(groups)
    groups.rollouts.start("model", "3.0.0", group="yard")
    finish(groups)

    back = groups.rollouts.back("model", group="lab")
    assert (back.version, back.group) == ("1.0.0", "lab")
    assert finish(groups) and in_order(groups) == ["1.0.0"] * 2 + ["3.0.0"] * 2 + ["1.0.0"] * 2

    groups.rollouts.start("model", "4.0.0")
    finish(groups)
    back = groups.rollouts.back("model")
    assert (back.version, back.group) == ("1.0.0", None)


def test_who_leaves_a_group_keeps_what_it_brought_until_a_later_rollout(groups: Fleet) -> None:
    groups.rollouts.start("model", "2.0.0", group="lab")
    finish(groups)
    groups.devices.add("late")
    groups.groups.add_members("lab", ["late"])
    assert step(groups)["late"] == "2.0.0"
    lab = groups.groups.all()["lab"]

    groups.groups.remove_members("lab", lab[:1])
    assert {version for name, version in step(groups).items() if name in lab} == {"2.0.0"}
    groups.groups.remove("lab")
    assert {version for name, version in step(groups).items() if name in lab} == {"2.0.0"}

    groups.rollouts.start("model", "1.0.0")
    assert set(finish(groups).values()) == {"1.0.0"}


@pytest.mark.parametrize("is_done", [False, True])
def test_a_group_of_the_name_of_one_that_went_has_none_of_its_rollouts(groups: Fleet, is_done: bool) -> None:
    groups.rollouts.start("model", "2.0.0", HALVES, group="lab")
    groups.advance()
    if is_done:
        finish(groups)
    groups.groups.remove("lab")
    [*_, other] = sorted(versions(groups))

    groups.groups.add("lab")
    groups.groups.add_members("lab", [other])

    assert step(groups)[other] == "1.0.0"
    assert groups.rollouts.all()[-1].note == "its group was removed"


def test_a_device_that_says_that_it_is_something_else_lets_no_other_be_reached(fleet: Fleet) -> None:
    record(fleet, "1.0.0", "2.0.0")
    add_devices(fleet, 4)
    fleet.rollouts.start("model", "1.0.0")
    finish(fleet)
    fleet.rollouts.start("model", "2.0.0", Plan((25, 100)))
    [reached] = [name for name, version in step(fleet).items() if version == "2.0.0"]

    fleet.twins.write_reported(reached, Reported(target="linux-aarch64"))

    assert list(step(fleet).values()).count("2.0.0") == 1


def test_what_goes_live_is_rolled_out_once_however_often_a_server_begins(fleet: Fleet, address: str) -> None:
    record(fleet, "1.0.0", "2.0.0")
    names = add_devices(fleet, 2)
    for version in ("1.0.0", "2.0.0"):
        assert fleet.rollouts.go_live("model", version, Plan()) is not None
        finish(fleet)
    fleet.rollouts.back("model")
    assert finish(fleet) == dict.fromkeys(names, "1.0.0")

    with Fleet(address) as again:
        assert again.rollouts.go_live("model", "2.0.0", Plan()) is None
        assert step(again) == dict.fromkeys(names, "1.0.0")
        assert again.rollouts.go_live("model", "1.0.0", Plan()) is not None
        assert again.rollouts.go_live("model", "2.0.0", Plan()) is not None
        assert step(again) == dict.fromkeys(names, "2.0.0")


def test_hours_in_which_no_server_ran_are_no_pause(fleet: Fleet, clock: Clock) -> None:
    record(fleet, "2.0.0")
    add_devices(fleet, 4)
    fleet.rollouts.start("model", plan=HALVES)
    clock.now += 7200
    assert len(step(fleet)) == 2

    report(fleet, next(iter(versions(fleet))))
    clock.now += 86_400
    assert len(step(fleet)) == 2
    for _ in range(int(PATIENCE_SECONDS) // 30):
        clock.now += 30
        fleet.advance()

    assert len(versions(fleet)) == 4


@pytest.mark.parametrize("early", [False, True])
def test_a_twin_that_is_written_meanwhile_is_read_again(address: str, early: bool) -> None:
    other = release("1.0.0", "other").desired()
    with Fleet(address) as somebody:
        record(somebody, "1.0.0")
        [name] = add_devices(somebody, 1)
        somebody.rollouts.start("model")

        with Fleet(address, overtaken(lambda: write_model(somebody.twins, name, other), early=early)) as fleet:
            assert fleet.advance() == 1

        assert fleet.twins.read(name).models == (other, release("1.0.0").desired())


def test_who_is_overtaken_by_later_plans_does_not_write_earlier_ones(address: str) -> None:
    with Fleet(address) as somebody:
        record(somebody, "1.0.0", "2.0.0")
        [name] = add_devices(somebody, 1)
        somebody.rollouts.start("model", "1.0.0")

        def overtake() -> None:
            somebody.rollouts.start("model", "2.0.0")
            somebody.advance()

        with Fleet(address, overtaken(overtake)) as fleet:
            fleet.advance()

        assert versions(somebody) == {name: "2.0.0"}
        assert somebody.twins.read(name).version == 1


def test_a_device_that_goes_meanwhile_stops_nothing(address: str) -> None:
    with Fleet(address) as somebody:
        record(somebody, "1.0.0")
        names = add_devices(somebody, 3)
        somebody.rollouts.start("model")

        with Fleet(address, overtaken(lambda: somebody.devices.remove(names[0]))) as fleet:
            fleet.advance()

        assert versions(somebody) == dict.fromkeys(names[1:], "1.0.0")


def test_servers_that_do_it_at_once_reach_no_more_than_the_share(address: str) -> None:
    servers = [Fleet(address) for _ in range(4)]
    record(servers[0], "1.0.0", "2.0.0")
    add_devices(servers[0], 10)
    servers[0].rollouts.start("model", "1.0.0")
    finish(servers[0])
    servers[0].rollouts.start("model", "2.0.0", Plan((30, 100)))
    begin = threading.Barrier(4)

    def work(server: Fleet) -> None:
        begin.wait()
        server.advance()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, servers))

    assert list(versions(servers[0]).values()).count("2.0.0") == 3
    for server in servers:
        server.close()


def test_whoever_is_interrupted_anywhere_changes_nothing_of_the_outcome(fleet: Fleet) -> None:
    record(fleet, "1.0.0", "2.0.0")
    names = add_devices(fleet, 4)
    fleet.rollouts.start("model", "1.0.0")
    finish(fleet)
    versions_of_both = ["1.0.0", "2.0.0"]
    for place in range(1000):
        fleet.rollouts.start("model", versions_of_both[place % 2 - 1], HALVES)
        new = fleet.rollouts.all()[-1].version
        ended = False
        for share in (2, 4):
            with interrupted(place) as interruption:
                try:
                    fleet.advance()
                except Interrupted:
                    ended = True
            assert list(versions(fleet).values()).count(new) <= share
            fleet.advance()
            assert list(versions(fleet).values()).count(new) == share
            all_report(fleet)
        fleet.advance()
        assert fleet.rollouts.all()[-1].state == "done"
        assert versions(fleet) == dict.fromkeys(names, new)
        if not ended:
            break
    assert interruption.passed > 10
