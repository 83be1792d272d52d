"""Devices and groups follow a component, are pinned, or are to run none; a device is told before its groups."""

from __future__ import annotations

import pytest

from fleet.assignments import LIVE, NOTHING
from fleet.errors import FleetError, NoSuchDevice, NoSuchGroup, NoSuchRelease
from fleet.fleet import Arrangement, Fleet
from fleet.twin_store import write_model
from models.components.twin import MOST_MODELS, Twin
from tests.fleet.simulated import record, release, versions


@pytest.fixture
def lab(fleet: Fleet) -> Fleet:
    """Two devices that nothing is assigned to, in two groups; three releases, the last rolled out."""
    record(fleet, "1.0.0", "2.0.0", "3.0.0")
    for name in ("a", "b"):
        fleet.devices.add(name, follow=None)
    for group in ("lab", "yard"):
        fleet.groups.add(group)
        fleet.groups.add_members(group, ["a", "b"])
    fleet.rollouts.start("model")
    fleet.advance()
    return fleet


def told(fleet: Fleet) -> dict[str, str]:
    fleet.advance()
    return versions(fleet)


def test_who_follows_nothing_gets_nothing(lab: Fleet) -> None:
    assert told(lab) == {}


def test_a_device_that_begins_to_follow_gets_at_once_what_is_rolled_out(lab: Fleet) -> None:
    lab.assignments.assign("model", device="a")

    assert told(lab) == {"a": "3.0.0"}


def test_a_group_that_follows_takes_its_devices_along(lab: Fleet) -> None:
    lab.assignments.assign("model", group="lab")

    assert told(lab) == {"a": "3.0.0", "b": "3.0.0"}


def test_a_pinned_version_comes_at_once(lab: Fleet) -> None:
    lab.assignments.assign("model", "1.0.0", group="lab")

    assert told(lab) == {"a": "1.0.0", "b": "1.0.0"}


def test_what_a_device_is_told_holds_before_what_its_groups_are(lab: Fleet) -> None:
    lab.assignments.assign("model", "2.0.0", device="a")
    lab.assignments.assign("model", "1.0.0", group="lab")

    assert told(lab) == {"a": "2.0.0", "b": "1.0.0"}


def test_of_two_groups_what_was_said_last_holds(lab: Fleet) -> None:
    lab.assignments.assign("model", "2.0.0", group="lab")
    lab.assignments.assign("model", "1.0.0", group="yard")
    assert told(lab) == {"a": "1.0.0", "b": "1.0.0"}

    lab.assignments.assign("model", "2.0.0", group="lab")

    assert told(lab) == {"a": "2.0.0", "b": "2.0.0"}


def test_an_assignment_takes_the_place_of_the_one_before(lab: Fleet) -> None:
    for version in ("1.0.0", LIVE, "2.0.0"):
        lab.assignments.assign("model", version, device="a")

    assert [(each.device, each.group, each.name, each.version) for each in lab.assignments.all()] == [
        ("a", None, "model", "2.0.0")
    ]
    assert lab.assignments.effective() == {"a": {"model": "2.0.0"}}


def test_what_is_withdrawn_leaves_what_the_groups_say(lab: Fleet) -> None:
    lab.assignments.assign("model", "2.0.0", device="a")
    lab.assignments.assign("model", "1.0.0", group="lab")
    assert told(lab)["a"] == "2.0.0"

    assert lab.assignments.withdraw("model", device="a")

    assert told(lab)["a"] == "1.0.0"
    assert not lab.assignments.withdraw("model", device="a")


def test_what_is_withdrawn_altogether_stays_as_it_is(lab: Fleet) -> None:
    lab.assignments.assign("model", "2.0.0", device="a")
    told(lab)
    lab.assignments.withdraw("model", device="a")

    assert told(lab) == {"a": "2.0.0"}


def test_nothing_takes_the_component_away_and_leaves_others(lab: Fleet) -> None:
    other = release("1.0.0", "other").desired()
    write_model(lab.twins, "a", other)
    lab.assignments.assign("model", group="lab")
    assert told(lab) == {"a": "3.0.0", "b": "3.0.0"}

    lab.assignments.assign("model", NOTHING, device="a")

    assert told(lab) == {"b": "3.0.0"}
    assert lab.twins.read("a").models == (other,)


def test_a_twin_that_somebody_else_wrote_into_is_put_right(lab: Fleet) -> None:
    lab.assignments.assign("model", "2.0.0", device="a")
    told(lab)
    write_model(lab.twins, "a", release("1.0.0").desired())
    lab.assignments.assign("model", device="b")

    assert told(lab) == {"a": "2.0.0", "b": "3.0.0"}


def test_an_arrangement_is_made_wholly_or_not_at_all(lab: Fleet) -> None:
    before = lab.assignments.all(), lab.groups.all()

    for broken in (
        Arrangement(("a", "c"), (), {"model": LIVE}),
        Arrangement(("a",), ("attic",), {"model": LIVE}),
        Arrangement(("a",), ("lab",), {"model": LIVE}, leave=("attic",)),
        Arrangement(("a",), (), {"model": LIVE, "cats": "9.0.0"}, join=("attic",)),
        Arrangement(("a",), (), {"model": LIVE}, join=("attic", "-")),
    ):
        with pytest.raises(FleetError):
            lab.arrange(broken)
        assert (lab.assignments.all(), lab.groups.all()) == before

    lab.arrange(Arrangement(("a",), ("yard",), {"model": "1.0.0"}, join=("attic",), leave=("lab",)))
    assert lab.groups.all() == {"attic": ["a"], "lab": ["b"], "yard": ["a", "b"]}
    assert told(lab) == {"a": "1.0.0", "b": "1.0.0"}
    lab.arrange(Arrangement(("a",), (), {"model": None}))
    assert lab.assignments.effective()["a"] == {"model": "1.0.0"}
    assert [each.device for each in lab.assignments.all()] == [None]


def test_devices_and_groups_are_removed_all_or_none(lab: Fleet) -> None:
    for devices, groups in ((("a", "c"), ()), (("a",), ("lab", "attic"))):
        with pytest.raises(FleetError, match="there is no"):
            lab.remove(devices, groups)
    assert [each.name for each in lab.devices.all()] == ["a", "b"]

    lab.remove(["a"], ["lab"])
    assert lab.groups.all() == {"yard": ["b"]}


def test_what_cannot_be_assigned_is_told_so(lab: Fleet) -> None:
    with pytest.raises(NoSuchDevice):
        lab.assignments.assign("model", device="c")
    with pytest.raises(NoSuchGroup):
        lab.assignments.assign("model", group="attic")
    with pytest.raises(NoSuchRelease, match=r"model 9\.0\.0"):
        lab.assignments.assign("model", "9.0.0", device="a")
    with pytest.raises(FleetError, match="version"):
        lab.assignments.assign("model", "newest", device="a")
    with pytest.raises(FleetError, match="name"):
        lab.assignments.assign("a/b", device="a")
    for both in ({}, {"device": "a", "group": "lab"}):
        with pytest.raises(FleetError, match="a device or a group"):
            lab.assignments.assign("model", **both)

    assert lab.assignments.all() == []


def test_no_more_components_are_assigned_than_a_twin_holds(lab: Fleet) -> None:
    for number in range(MOST_MODELS):
        lab.assignments.assign(f"model-{number}", device="a")

    with pytest.raises(FleetError, match=f"{MOST_MODELS} components at most"):
        lab.assignments.assign("one-more", device="b")

    lab.assignments.assign("model-0", NOTHING, device="b")


def test_components_that_come_and_go_leave_a_twin_that_its_device_reads(lab: Fleet) -> None:
    lab.assignments.assign("model", device="a")
    told(lab)
    for number in range(MOST_MODELS + 8):
        name = f"model-{number}"
        record(lab, "1.0.0", name=name)
        lab.assignments.assign(name, "1.0.0", device="a")
        lab.advance()
        lab.assignments.withdraw(name, device="a")

    twin = Twin.decode(lab.twins.read("a").encode())

    assert [twin.models[0].name, twin.models[-1].name] == ["model", f"model-{MOST_MODELS + 7}"]
    assert len(twin.models) == MOST_MODELS


def test_a_version_without_an_archive_for_a_device_changes_nothing_there(lab: Fleet) -> None:
    lab.devices.add("pi", target="linux-aarch64", follow=None)
    lab.assignments.assign("model", "1.0.0", device="pi")
    assert told(lab) == {}

    record(lab, "1.0.0", targets=("linux-aarch64",))

    assert told(lab) == {"pi": "1.0.0"}
    assert lab.twins.read("pi").models[0].sha256 == release("1.0.0", target="linux-aarch64").sha256


def test_who_follows_the_first_is_made_to_follow_others_once(lab: Fleet) -> None:
    lab.assignments.assign("model", device="a")
    lab.assignments.assign("dogs", NOTHING, device="a")

    assert lab.assignments.follow_along("model", ["cats", "dogs"]) == ()
    assert lab.assignments.effective() == {"a": {"model": LIVE, "cats": LIVE, "dogs": NOTHING}}

    for name in ("cats", "dogs"):
        lab.assignments.withdraw(name, device="a")
    lab.assignments.follow_along("model", ["cats", "dogs"])
    assert lab.assignments.effective() == {"a": {"model": LIVE}}

    lab.assignments.assign("model", device="b")
    lab.assignments.follow_along("model", ["cats", "dogs"])
    assert lab.assignments.effective()["b"] == {"model": LIVE, "cats": LIVE, "dogs": LIVE}


def test_what_a_group_is_not_told_any_more_its_devices_are_not_made_to_follow(lab: Fleet) -> None:
    lab.assignments.assign("model", device="a")
    lab.assignments.assign("cats", group="lab")
    lab.assignments.withdraw("cats", group="lab")

    lab.assignments.follow_along("model", ["cats"])

    assert lab.assignments.effective() == {"a": {"model": LIVE}}


def test_others_are_followed_as_far_as_there_is_a_place(lab: Fleet) -> None:
    lab.assignments.assign("model", device="a")
    names = [f"model-{number}" for number in range(MOST_MODELS + 1)]

    assert lab.assignments.follow_along("model", names) == tuple(names[-2:])

    assert set(lab.assignments.effective()["a"]) == {"model", *names[:-2]}
    assert lab.assignments.follow_along("model", names) == tuple(names[-2:])
