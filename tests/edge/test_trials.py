"""The rules of a trial, by a clock and boots that a test makes up."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from edge.device_state import FIRST_PLACE, DeviceState, Installed, Place, StateUnreadable, Trial
from edge.trials import (
    FAILED_IMAGES,
    MOST_BOOTS,
    MOST_DEATHS,
    MOST_DEATHS_WITHOUT_ANSWER,
    Moment,
    SeenRun,
    begin,
    condemned,
    failure_of,
    given_way,
    looked_at,
    still_tells,
    swapped,
    unfit_for_images,
    without_failures_of,
)
from models.components.twin import Reported


def release(version: str) -> Installed:
    return Installed("animals", version, version[0] * 64, f"manifest of {version}", f"animals.h5@sha256:{version}")


ONE, TWO, THREE = release("1.0.0"), release("2.0.0"), release("3.0.0")
BOOT = "a boot"


def run(name: str, alive: bool, *, runs: Installed = TWO, boot: str = BOOT, **more: object) -> SeenRun:
    return replace(SeenRun(name, boot, alive, runs.manifest), **more)  # type: ignore[arg-type]


def after(runs: list[SeenRun], trial: Trial | None = None, at: float = 10.0, boot: str = BOOT) -> Trial:
    return looked_at(trial or begin(Moment(BOOT, 0.0)), TWO, runs, Moment(boot, at))


def test_a_trial_lasts_while_the_machine_runs() -> None:
    trial = after([], at=40.0)
    rebooted = after([], trial, at=5.0, boot="the next")
    later = after([], rebooted, at=25.0, boot="the next")

    assert (trial.seconds, rebooted.seconds, later.seconds) == (40.0, 40.0, 60.0)
    assert later.boots == 1


def test_a_clock_that_went_back_takes_nothing_away() -> None:
    assert after([], after([], at=40.0), at=3.0).seconds == 40.0


def test_what_fails_on_its_own_probe_image_gives_way_at_once() -> None:
    runs = [run("a", True, quarantined=((TWO.manifest, "it crashed"),))]

    failure = condemned(after(runs), TWO, runs)
    assert failure is not None
    assert (failure.error, failure.detail) == ("quarantined", "it crashed")


def test_what_another_release_did_condemns_nothing() -> None:
    runs = [run("a", True, quarantined=((ONE.manifest, "it crashed"),)), run("b", False, runs=ONE)]

    assert condemned(after(runs), TWO, runs) is None
    assert after(runs).deaths == ()


def test_deaths_are_counted_once_each_however_often_they_are_seen() -> None:
    trial = after([run("a", False)], after([run("a", False)]))

    assert trial.deaths == ("a",)


def test_a_release_that_has_answered_may_see_more_die_than_one_that_never_has() -> None:
    dead = [run(str(number), False) for number in range(MOST_DEATHS)]
    answered = run("living", True, answered=frozenset({TWO.manifest}))

    few = [*dead[:MOST_DEATHS_WITHOUT_ANSWER], answered]
    assert condemned(after(few), TWO, few) is None
    assert condemned(after(few[:-1]), TWO, few[:-1]) is not None
    assert condemned(after([*dead, answered]), TWO, [*dead, answered]) is not None


def test_a_power_loss_condemns_nothing_and_a_loop_of_boots_does() -> None:
    trial = after([])
    for number in range(MOST_BOOTS):
        assert condemned(trial, TWO, []) is None
        trial = after([run(f"of before {number}", False)], trial, boot=f"boot {number}")

    assert trial.deaths == ()
    failure = condemned(trial, TWO, [])
    assert failure is not None and failure.error == "boot_loop"


def counted(answered: int, failed: int, name: str = "a", alive: bool = True) -> SeenRun:
    answers = frozenset({TWO.manifest}) if answered else frozenset()
    return run(name, alive, answered=answers, images=((TWO.manifest, answered, failed),))


@pytest.mark.parametrize(
    ("answered", "failed", "at_once", "at_end"),
    [
        (0, FAILED_IMAGES - 1, False, False),
        (0, FAILED_IMAGES, True, True),
        (1, FAILED_IMAGES, False, True),
        (FAILED_IMAGES, FAILED_IMAGES, False, False),
        (0, 1, False, False),
        (100, 99, False, False),
        (99, 100, False, True),
    ],
)
def test_what_fails_on_images_gives_way_and_an_image_alone_at_fault_changes_nothing(
    answered: int, failed: int, at_once: bool, at_end: bool
) -> None:
    runs = [counted(answered, failed)]
    now, end = condemned(after(runs), TWO, runs), unfit_for_images(after(runs), TWO, runs, at_end=True)

    assert (now is not None, end is not None) == (at_once, at_end)
    assert {each.error for each in (now, end) if each is not None} <= {"fails_on_images"}
    assert condemned(after(runs), ONE, runs) is None, "of another release it tells nothing"


def test_images_of_programs_that_ended_count_too() -> None:
    runs = [replace(counted(0, 1, str(number), alive=False), manifest="") for number in range(FAILED_IMAGES)]

    assert condemned(after(runs[1:]), TWO, runs[1:]) is None
    assert condemned(after(runs), TWO, runs) is not None
    assert all(still_tells(each, {TWO.manifest}) and not still_tells(each, {ONE.manifest}) for each in runs)


def refused(error: str) -> DeviceState:
    return DeviceState(told=Reported(agent="1.0")).with_failure("f" * 64, failure_of(TWO, error, "a reason"))


@pytest.mark.parametrize(
    ("error", "agent", "stays"),
    [("not_a_component", "1.1", False), ("not_a_component", "1.0", True), ("crashed", "1.1", True)],
)
def test_what_an_older_agent_could_not_read_is_tried_by_a_newer_one(error: str, agent: str, stays: bool) -> None:
    assert bool(without_failures_of(refused(error), agent).failed) == stays


def test_what_was_good_is_kept_and_what_was_in_trial_is_not() -> None:
    good = Place(ONE)
    in_trial = swapped(good, TWO, begin(Moment(BOOT, 0.0)), {})
    replaced = swapped(in_trial, THREE, begin(Moment(BOOT, 0.0)), {})

    assert in_trial.last_good == ONE
    assert (replaced.current, replaced.last_good) == (THREE, ONE)


def test_what_had_not_failed_yet_is_kept_where_nothing_was_good() -> None:
    trial = begin(Moment(BOOT, 0.0))

    assert swapped(Place(ONE, None, trial), TWO, trial, {}).last_good == ONE


def test_going_back_by_desire_keeps_the_later_one() -> None:
    assert swapped(Place(TWO, ONE), ONE, None, {}) == Place(ONE, TWO)


def test_what_failed_is_kept_nowhere() -> None:
    assert swapped(Place(ONE), TWO, None, {ONE.sha256}).last_good is None


def test_what_fails_gives_way_to_the_last_good_one_and_stays_where_there_is_none() -> None:
    failure = failure_of(TWO, "crashed", "three times")
    state = DeviceState().with_place(FIRST_PLACE, Place(TWO, ONE, begin(Moment(BOOT, 0.0))))
    back = given_way(state, FIRST_PLACE, failure)
    alone = given_way(DeviceState().with_place(FIRST_PLACE, Place(TWO, None)), FIRST_PLACE, failure)

    assert back.places[FIRST_PLACE] == Place(ONE)
    assert alone.places[FIRST_PLACE] == Place(TWO)
    assert TWO.sha256 in back.failed and TWO.sha256 in alone.failed


WRONG = [
    lambda state: state["places"][""]["current"].update(sha256=5),
    lambda state: state["places"][""]["current"].update(sha256="../../escaped"),
    lambda state: state["places"][""]["current"].update(version=None),
    lambda state: state["places"][""]["trial"].update(seconds="soon"),
    lambda state: state["places"][""]["trial"].update(seen=float("nan")),
    lambda state: state["places"][""]["trial"].update(boots=None),
    lambda state: state["places"][""]["trial"].update(boot=7),
    lambda state: state["places"][""]["trial"].update(deaths=[[1]]),
    lambda state: state["places"].update({"../../escaped": state["places"][""]}),
    lambda state: state["places"].update({"a\0b": state["places"][""]}),
    lambda state: state["places"].update({"plants": 7}),
    lambda state: state["failed"].update({"f" * 64: {"name": "n", "version": "1", "model_id": "", "error": "e"}}),
    lambda state: state["failed"]["f" * 64].update(detail=5),
    lambda state: state["failed"]["f" * 64].update(detail="\ud800"),
    lambda state: state.update(failed=[]),
    lambda state: state.update(places=None),
]


@pytest.mark.parametrize("damage", WRONG, ids=range(len(WRONG)))
def test_a_state_of_other_types_is_none(damage: Callable[[Any], object]) -> None:
    written = DeviceState().with_place(FIRST_PLACE, Place(TWO, ONE, Trial(BOOT, 3.5)))
    state = json.loads(written.with_failure("f" * 64, failure_of(THREE, "crashed", "twice")).encode())
    damage(state)

    with pytest.raises(StateUnreadable):
        DeviceState.decode(json.dumps(state).encode())


def test_a_state_is_read_as_it_was_written() -> None:
    trial = Trial(BOOT, 3.5, 1.25, 2, ("a", "b"), True)
    state = DeviceState(etag="e7").with_place(FIRST_PLACE, Place(TWO, ONE, trial)).with_place("plants", Place(THREE))
    state = state.with_failure("f" * 64, failure_of(THREE, "crashed", "twice"))

    assert DeviceState.decode(state.encode()) == state
