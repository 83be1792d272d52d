"""Rollouts to groups go on side by side, and what a group brought stays with who leaves it."""

from __future__ import annotations

import pytest

from fleet.errors import NoSuchRollout
from fleet.fleet import Fleet
from tests.fleet.simulated import add_devices, record, versions
from tests.fleet.stepping import HALVES, finish, step


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
