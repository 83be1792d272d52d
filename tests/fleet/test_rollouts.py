"""A rollout comes to no more devices than its share, waits, halts where too many fail, and stays halted until told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.rollouts import (
    PATIENCE_SECONDS,
    Follower,
    Outcome,
    Plan,
    Rollout,
    RolloutState,
    allowed,
    at_this_hour,
    came_to,
    next_move,
    resumed,
    superseded,
    turn,
)

BEGAN = 1000.0


def rollout(*shares: float, pause: float | None = None, halt: float = 10.0, step: int = 0) -> Rollout:
    return Rollout(1, "model", "2.0.0", None, Plan(shares or (100,), pause, halt), "running", step, BEGAN, BEGAN)


def followers(many: int, reached: int = 0, running: int = 0, failed: int = 0) -> list[Follower]:
    """So many devices, the first of which were reached; of these some run it, the next failed, the rest are silent."""

    def outcome(number: int) -> Outcome:
        return "running" if number < running else "failed" if number < running + failed else "silent"

    return [Follower(f"robot-{number:04}", outcome(number), number < reached) for number in range(many)]


class Simulated:
    """A rollout among devices, in memory.

    Attributes:
        rollout: as it is kept.
        devices: by name.
        now: seconds.
    """

    def __init__(self, begun: Rollout, many: int) -> None:
        self.rollout, self.now = begun, begun.since
        self.devices = {each.device: each for each in followers(many)}

    @property
    def reached(self) -> list[Follower]:
        return [each for each in self.devices.values() if each.reached]

    def advance(self) -> None:
        while True:
            move = next_move(self.rollout, list(self.devices.values()), self.now)
            assert not {*move.reach} & {each.device for each in self.reached}
            if not move.reach and move.rollout is self.rollout:
                return
            for device in move.reach:
                self.devices[device] = replace(self.devices[device], reached=True)
            self.rollout = move.rollout

    def state(self) -> RolloutState:
        return self.rollout.state

    def say(self, device: str, outcome: Outcome) -> None:
        self.devices[device] = replace(self.devices[device], outcome=outcome)

    def go_on(self) -> None:
        self.rollout = resumed(self.rollout, self.now)
        for each in self.reached:
            self.devices[each.device] = replace(each, forgiven=each.outcome == "failed")


@pytest.mark.parametrize(
    ("many", "share", "devices"),
    [
        (100, 10, 10),
        (10, 10, 1),
        (19, 10, 1),
        (3, 10, 1),
        (1, 1, 1),
        (0, 50, 0),
        (3, 50, 1),
        (3, 100, 3),
        (1000, 0.1, 1),
    ],
)
def test_a_share_is_rounded_down_but_for_the_first_device(many: int, share: float, devices: int) -> None:
    assert allowed(many, share) == devices


def test_a_rollout_to_all_reaches_all_at_once() -> None:
    move = next_move(rollout(100), followers(5), BEGAN)

    assert sorted(move.reach) == [each.device for each in followers(5)]
    assert move.rollout.state == "running"


def test_a_rollout_reaches_its_share_and_then_waits() -> None:
    first = next_move(rollout(10, 100), followers(50), BEGAN + 3)
    assert len(first.reach) == 5
    assert first.rollout == replace(rollout(10, 100), since=BEGAN + 3)

    waiting = next_move(first.rollout, followers(50, reached=5), BEGAN + 4)
    assert waiting.reach == ()
    assert waiting.rollout is first.rollout


def test_who_comes_first_is_another_one_with_each_release() -> None:
    names = [each.device for each in followers(100)]
    first = {min(names, key=lambda name: turn(name, "model", f"{version}.0.0")) for version in range(1, 30)}

    assert len(first) > 15


def test_without_a_pause_it_goes_on_once_all_that_were_reached_run() -> None:
    begun = rollout(10, 50, 100)

    assert next_move(begun, followers(20, reached=2, running=1), BEGAN + 1).rollout is begun
    assert next_move(begun, followers(20, reached=2, running=2), BEGAN + 1).rollout == replace(
        begun, step=1, since=BEGAN + 1
    )


def test_without_a_pause_silent_devices_are_waited_for_ten_minutes() -> None:
    begun = rollout(10, 100)
    devices = followers(20, reached=2, running=1)

    assert next_move(begun, devices, BEGAN + PATIENCE_SECONDS - 1).rollout is begun
    assert next_move(begun, devices, BEGAN + PATIENCE_SECONDS).rollout.step == 1


def test_a_pause_passes_wholly_even_if_all_run() -> None:
    begun = rollout(10, 100, pause=60)
    devices = followers(20, reached=2, running=2)

    assert next_move(begun, devices, BEGAN + 59).rollout is begun
    assert next_move(begun, devices, BEGAN + 60).rollout.step == 1


@pytest.mark.parametrize("pause", [0, 60])
def test_a_pause_that_is_over_brings_no_step_before_devices_say_how_they_do(pause: float) -> None:
    begun = rollout(10, 100, pause=pause)

    assert next_move(begun, followers(20, reached=2, running=1), BEGAN + 61).rollout is begun
    assert next_move(begun, followers(20, reached=2, running=2), BEGAN + 61).rollout.step == 1


@pytest.mark.parametrize(("pause", "patience"), [(None, PATIENCE_SECONDS), (60, PATIENCE_SECONDS), (3600, 3600)])
def test_devices_that_are_gone_hold_nothing_up_for_ever(pause: float | None, patience: float) -> None:
    begun = rollout(50, 100, pause=pause)
    devices = followers(20, reached=10, running=1)

    assert next_move(begun, devices, BEGAN + patience - 1).rollout is begun
    assert next_move(begun, devices, BEGAN + patience).rollout.step == 1


def test_where_nobody_says_anything_it_waits_and_says_so() -> None:
    begun = rollout(50, 100, pause=60)
    later = BEGAN + 30 * PATIENCE_SECONDS

    waiting = next_move(begun, followers(20, reached=10), later).rollout
    assert waiting == replace(begun, note="waits: of 10 devices that it reached none says that it runs it")
    assert next_move(waiting, followers(20, reached=10), later + 1).rollout is waiting
    assert next_move(waiting, followers(20, reached=10, running=1), later + 2).rollout == replace(
        begun, step=1, since=later + 2
    )


def test_devices_that_are_gone_are_no_healthy_ones() -> None:
    begun = rollout(50, 100, pause=60, halt=20)
    devices = followers(20, reached=10, running=3, failed=1)

    assert next_move(begun, devices, BEGAN + PATIENCE_SECONDS - 1).rollout is begun
    halted = next_move(begun, devices, BEGAN + PATIENCE_SECONDS).rollout
    assert halted.state == "halted"
    assert halted.note == "1 of 4 devices failed, more than 20 %"


def test_too_many_failures_halt_it_before_the_pause_is_over() -> None:
    begun = rollout(50, 100, pause=3600)

    assert next_move(begun, followers(20, reached=10, failed=1), BEGAN + 1).rollout is begun
    assert next_move(begun, followers(20, reached=10, failed=2), BEGAN + 1).rollout.state == "halted"


def test_a_limit_of_nothing_halts_at_the_first_failure_and_one_of_all_never() -> None:
    devices = followers(1000, reached=1000, running=999, failed=1)

    assert next_move(rollout(100, halt=0), devices, BEGAN).rollout.state == "halted"
    assert next_move(rollout(100, halt=100), followers(9, reached=9, failed=9), BEGAN).rollout.state == "done"


def test_few_failures_are_taken_for_an_answer() -> None:
    begun = rollout(50, 100)

    assert next_move(begun, followers(20, reached=10, running=9, failed=1), BEGAN).rollout.step == 1


def test_the_last_step_is_watched_as_any_other() -> None:
    begun = rollout(10, 100, step=1)

    assert next_move(begun, followers(10, reached=10, running=8, failed=2), BEGAN).rollout.state == "halted"
    assert next_move(begun, followers(10, reached=10, running=10), BEGAN).rollout.state == "done"


def test_a_device_that_is_added_takes_its_turn_and_has_its_time() -> None:
    begun = rollout(50, 100, pause=60)

    assert next_move(begun, followers(10, reached=5), BEGAN + 50).reach == ()
    move = next_move(begun, followers(12, reached=5), BEGAN + 50)
    assert len(move.reach) == 1
    assert move.rollout.since == BEGAN + 50


def test_a_rollout_that_nobody_follows_is_done() -> None:
    simulated = Simulated(rollout(10, 50, 100), 0)
    simulated.advance()

    assert simulated.rollout.state == "done"


@pytest.mark.parametrize("state", ["halted", "done", "superseded"])
def test_what_is_not_running_does_nothing(state: str) -> None:
    ended = replace(rollout(50, 100), state=state)  # type: ignore[arg-type]

    move = next_move(ended, followers(10, reached=2, running=2), BEGAN + 1e6)

    assert move.reach == ()
    assert move.rollout is ended


def test_what_was_gone_on_with_halts_again_at_new_failures_alone() -> None:
    simulated = Simulated(rollout(50, 100), 10)
    simulated.advance()
    first, second = simulated.reached[:2]
    simulated.say(first.device, "failed")
    simulated.advance()
    assert simulated.state() == "halted"

    simulated.go_on()
    simulated.advance()
    assert simulated.state() == "running"

    simulated.say(second.device, "failed")
    simulated.advance()
    assert simulated.state() == "halted"


def test_time_in_which_nobody_took_it_on_is_no_pause() -> None:
    begun = rollout(10, 100, pause=60)

    assert at_this_hour(begun, 0.0, BEGAN + 5) is begun
    assert at_this_hour(begun, 500.0, BEGAN + 510).since == BEGAN + 500
    assert at_this_hour(begun, 500.0, BEGAN + 400).since == BEGAN + 400


def test_a_clock_that_was_set_back_costs_one_pause_at_most() -> None:
    assert at_this_hour(rollout(10, 100), 0.0, BEGAN - 1e6).since == BEGAN - 1e6


def test_a_rollout_came_to_those_that_it_reached_and_once_it_is_done_to_all() -> None:
    one, two, three = (replace(rollout(), id=number, version=f"{number}.0.0") for number in (1, 2, 3))
    done = replace(one, state="done")

    assert came_to([]) == []
    assert came_to([(one, False, True), (two, False, True)]) == []
    assert came_to([(done, False, True), (two, False, True)]) == [done]
    assert came_to([(done, False, False), (two, True, False)]) == [two]
    assert came_to([(two, True, True), (done, False, True), (three, False, True)]) == [two, done]
    assert came_to([(superseded(two, "3.0.0"), True, True), (three, False, True)]) == [superseded(two, "3.0.0")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"shares": ()},
        {"shares": (10, 50)},
        {"shares": (50, 10, 100)},
        {"shares": (0, 100)},
        {"shares": (100, 100)},
        {"shares": (-5, 100)},
        {"shares": (50, 200)},
        {"shares": (float("nan"), 100)},
        {"shares": tuple(number / 2 for number in range(1, 201))},
        {"pause": -1},
        {"pause": float("inf")},
        {"pause": float("nan")},
        {"halt": -1},
        {"halt": 101},
        {"halt": float("nan")},
    ],
)
def test_a_plan_that_is_none_is_refused_in_a_line(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="rollout") as refused:
        Plan(**wrong)  # type: ignore[arg-type]

    assert "\n" not in str(refused.value)


SHARES = st.lists(st.integers(1, 99), max_size=4, unique=True).map(lambda shares: (*sorted(shares), 100))


@given(
    shares=SHARES,
    many=st.integers(0, 40),
    pause=st.none() | st.integers(0, 100),
    halt=st.integers(0, 100),
    chance=st.randoms(use_true_random=False),
    failing=st.sampled_from([0.0, 0.05, 0.5]),
)
def test_whatever_devices_say_no_rollout_passes_its_share_or_goes_on_by_itself(
    shares: Sequence[int], many: int, pause: int | None, halt: int, chance: Random, failing: float
) -> None:
    simulated = Simulated(rollout(*shares, pause=pause, halt=halt), many)
    for _ in range(60):
        before = simulated.rollout, len(simulated.reached)
        simulated.advance()
        if before[0].state != "running":
            assert (simulated.rollout, len(simulated.reached)) == before
        at = simulated.rollout
        assert len(simulated.reached) <= allowed(len(simulated.devices), at.plan.shares[at.step])
        for each in simulated.reached:
            if each.outcome == "silent" and chance.random() < 0.5:
                simulated.say(each.device, "failed" if chance.random() < failing else "running")
        if at.state == "halted" and chance.random() < 0.3:
            simulated.go_on()
        if at.state != "done" and chance.random() < 0.1:
            new = f"added-{len(simulated.devices)}"
            simulated.devices[new] = Follower(new)
        simulated.now += chance.choice([1, 10, 100])

    # From here on nobody fails, and somebody goes on with what halted.
    for _ in range(len(shares) * 2 + 4):
        for each in simulated.reached:
            if each.outcome == "silent":
                simulated.say(each.device, "running")
        if simulated.rollout.state == "halted":
            simulated.go_on()
        simulated.advance()
        simulated.now += PATIENCE_SECONDS
    assert simulated.rollout.state == "done"
    assert len(simulated.reached) == len(simulated.devices)
