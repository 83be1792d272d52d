"""The rules by which a release comes to devices in shares. No I/O, no threads and no clock: time is handed in.

A rollout takes one version of one component to the devices that follow it. Each step lets it come to a greater share of
them; a device that it came to once has been *reached*, and stays so whatever the shares become.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

RolloutState = Literal["running", "halted", "done", "superseded"]
"""`running`: on its way; `halted`: reaches nobody any more until somebody decides; `done`: all who follow have it, and
those that come later get it at once; `superseded`: another rollout of that name took its place before it was done."""
Outcome = Literal["silent", "running", "failed"]
"""What a device says of the version: nothing yet (or that it fetches or tries it), that it runs, or that it failed."""
PATIENCE_SECONDS = 600.0
"""How long silent devices are waited for; the pause, where that is longer."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a rollout goes.

    Attributes:
        shares: percent of the devices that follow, growing, the last one 100; one for each step.
        pause: seconds that pass at least between a device that was reached and the next step; None: none. The next
            step comes then once all that were reached have said what became of it; after `PATIENCE_SECONDS` without
            those that are silent, if one at least says that it runs it.
        halt: percent of the devices that said what became of it; more failures than that halt the rollout.

    Raises:
        ValueError: the numbers are none of these; one line that says which are.
    """

    shares: tuple[float, ...] = (100.0,)
    pause: float | None = None
    halt: float = 10.0

    @property
    def least_seconds(self) -> float:
        """That pass at least before the next step."""
        return self.pause or 0.0

    @property
    def patience_seconds(self) -> float:
        """For which devices are waited for that say nothing."""
        return max(PATIENCE_SECONDS, self.least_seconds)

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip((0.0, *self.shares), self.shares, strict=False))
        if not self.shares or len(self.shares) > 100 or not rising or self.shares[-1] != 100:
            raise ValueError("the shares of a rollout are percents that grow and end with 100: 10,50,100")
        if self.pause is not None and not 0 <= self.pause < math.inf:
            raise ValueError("the pause of a rollout is a number of seconds, 0 or more")
        if not 0 <= self.halt <= 100:
            raise ValueError("the limit at which a rollout halts is a percent, 0 to 100")


@dataclass(frozen=True, slots=True)
class Rollout:
    """One rollout, as it is kept.

    Attributes:
        id: its number; the later of two rollouts has the greater one.
        name: of the component.
        version: that it takes to devices.
        group: whose devices alone it is for; None: for all that follow.
        plan: how it goes.
        state: what became of it.
        step: the index into `plan.shares` that it has come to.
        since: from when the pause counts: when it came to a device last, or was gone on with; seconds since 1970.
        started: when it began.
        note: why it halted or was superseded, or what it waits for beyond its patience, one line; "" else.
        is_back: whether it took the one before it back.
    """

    id: int
    name: str
    version: str
    group: str | None
    plan: Plan
    state: RolloutState
    step: int
    since: float
    started: float
    note: str = ""
    is_back: bool = False

    @property
    def title(self) -> str:
        """Name and version, for people."""
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True)
class Follower:
    """A device that follows a rollout's name, with a release for its target.

    Attributes:
        device: its identity.
        outcome: what it says of the version.
        reached: whether the rollout has come to it.
        forgiven: it failed before somebody went on with the halted rollout; it counts neither way any more.
    """

    device: str
    outcome: Outcome = "silent"
    reached: bool = False
    forgiven: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """What is to be done next: reach these devices, then keep the rollout as it is here.

    Attributes:
        reach: devices to come to, in the order of their turn.
        rollout: as it is to be kept; the same object where it does not change.
    """

    reach: tuple[str, ...]
    rollout: Rollout


def next_move(rollout: Rollout, followers: Sequence[Follower], now: float) -> Move:
    """What a rollout is to do next.

    Args:
        rollout: as it is kept.
        followers: all devices that follow its name, of its group where it has one, and that it has an archive for.
        now: seconds since 1970.
    """
    if rollout.state != "running":
        return Move((), rollout)
    reached = [each for each in followers if each.reached and not each.forgiven]
    failed = sum(each.outcome == "failed" for each in reached)
    healthy = sum(each.outcome == "running" for each in reached)
    silent = len(reached) - failed - healthy
    passed = now - rollout.since
    over = passed >= rollout.plan.patience_seconds
    # Before patience is over the silent ones may still do well; after it nobody counts on them.
    of = failed + healthy if over else len(reached)
    if failed and failed * 100 > rollout.plan.halt * of:
        note = f"{failed} of {of} devices failed, more than {rollout.plan.halt:g} %"
        return Move((), replace(rollout, state="halted", note=note))
    reach = _waiting(rollout, followers)[: _room(rollout, followers)]
    if reach:
        # Of this step: it began, or devices were added since, who have the same time to say how they do.
        return Move(reach, replace(rollout, since=now, note=""))
    if passed >= rollout.plan.least_seconds and (not silent or (over and healthy)):
        return Move((), _further(rollout, now))
    waits_for = f"waits: of {len(reached)} devices that it reached none says that it runs it" if over else ""
    return Move((), rollout if rollout.note == waits_for else replace(rollout, note=waits_for))


def _further(rollout: Rollout, now: float) -> Rollout:
    if rollout.step + 1 < len(rollout.plan.shares):
        return replace(rollout, step=rollout.step + 1, since=now, note="")
    return replace(rollout, state="done", since=now, note="")


def _room(rollout: Rollout, followers: Sequence[Follower]) -> int:
    """How many devices more may be reached at this step."""
    return max(0, allowed(len(followers), rollout.plan.shares[rollout.step]) - sum(each.reached for each in followers))


def allowed(followers: int, share: float) -> int:
    """How many of so many devices a share is: rounded down, but one at least, where there is one."""
    return min(followers, max(1, math.floor(followers * share / 100)))


def _waiting(rollout: Rollout, followers: Iterable[Follower]) -> tuple[str, ...]:
    """The devices that it has not come to, in the order of their turn: another one for each version."""
    waiting = (each.device for each in followers if not each.reached)
    return tuple(sorted(waiting, key=lambda device: turn(device, rollout.name, rollout.version)))


def turn(device: str, name: str, version: str) -> bytes:
    """By what devices are sorted: a digest, so that no device comes first with every release."""
    return hashlib.sha256(f"{device}\0{name}\0{version}".encode()).digest()


def at_this_hour(rollout: Rollout, asleep: float, now: float) -> Rollout:
    """A running rollout after nobody took it on for a while: devices could not report, and the pause did not pass.

    Args:
        asleep: seconds; 0 where it was taken on all the time.
        now: seconds since 1970; where a clock was set back, the pause begins anew.
    """
    since = min(now, rollout.since + asleep)
    return rollout if since == rollout.since else replace(rollout, since=since)


def resumed(rollout: Rollout, now: float) -> Rollout:
    """A halted rollout that goes on; whoever failed is to be forgiven with it."""
    return replace(rollout, state="running", since=now, note="")


def superseded(rollout: Rollout, by: str) -> Rollout:
    """A rollout whose place another one takes.

    Args:
        by: the version of the other one.
    """
    return replace(rollout, state="superseded", note=f"{by} took its place")


def versions_before(history: Sequence[Rollout]) -> list[str]:
    """The versions to which a component may go back, the nearest first: of rollouts that were done, each once, without
    those that were taken back since.

    Args:
        history: the rollouts of its name that are for the same devices, the earliest first; one at least.
    """
    latest, gone = history[-1].version, taken_back(history)
    done = (each.version for each in reversed(history[:-1]) if each.state == "done")
    return list(dict.fromkeys(each for each in done if each != latest and each not in gone))


def taken_back(history: Sequence[Rollout]) -> set[str]:
    """The versions that somebody went back from, and that were not rolled out anew since.

    Args:
        history: as of `versions_before`.
    """
    gone: set[str] = set()
    for before, each in zip((None, *history), history, strict=False):
        if each.is_back and before is not None:
            gone.add(before.version)
        elif not each.is_back:
            gone.discard(each.version)
    return gone


def came_to(rollouts: Iterable[tuple[Rollout, bool, bool]]) -> list[Rollout]:
    """The rollouts that came to a device that follows. It is to run the version of the latest of them.

    Args:
        rollouts: of the name; whether each reached the device, and whether it is for it.
    """
    return [each for each, was_reached, is_for in rollouts if was_reached or (is_for and each.state == "done")]
