"""What was rolled out is taken back to what was before, each time further."""

from __future__ import annotations

import pytest

from fleet.errors import NoSuchRelease
from fleet.fleet import Fleet
from tests.fleet.simulated import add_devices, record
from tests.fleet.stepping import HALVES, finish, step


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
