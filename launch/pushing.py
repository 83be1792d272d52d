"""Beginning rollouts of releases, to whom, and what is told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fleet.assignments import LIVE
from fleet.fleet import Fleet
from fleet.releases import Release
from fleet.rollout_records import RolloutStatus
from fleet.rollouts import Plan, Rollout
from launch.command_line import CommandRefused
from launch.fleet_report import changed_in_words
from launch.printing import say
from launch.release_report import release_as_json
from launch.rollout_report import rollout_as_json

_NAMED = 5


@dataclass(frozen=True, slots=True)
class Whom:
    """To whom releases go.

    Attributes:
        devices: that get them at once, pinned; no rollout is begun then.
        groups: whose devices alone get them, by a rollout for each; none: all that follow.
        all_devices: whether those too that follow nothing of the name yet.

    Raises:
        CommandRefused: more than one of these is given.
    """

    devices: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    all_devices: bool = False

    def __post_init__(self) -> None:
        if sum([bool(self.devices), bool(self.groups), self.all_devices]) > 1:
            raise CommandRefused("--device, --group and --all-devices go one at a time")


@dataclass(slots=True)
class Pushed:
    """What was done.

    Attributes:
        releases: that are meant.
        rollouts: that were begun, or changed.
        pinned: device, name and version of what was pinned.
        following: how many devices and groups follow a name that they did not follow before.
        changed: how many devices are to run something else than before.
    """

    releases: list[Release] = field(default_factory=list)
    rollouts: list[Rollout] = field(default_factory=list)
    pinned: list[tuple[str, str, str]] = field(default_factory=list)
    following: int = 0
    changed: int = 0


def begin(fleet: Fleet, releases: Sequence[Sequence[Release]], whom: Whom, plan: Plan) -> Pushed:
    """Begins a rollout of each component; or pins it on devices.

    Args:
        fleet: whose devices get them.
        releases: for each component its releases, of one version; who follows the first follows the others too.
        whom: that they go to; they are there.
        plan: how they come there.

    Raises:
        NoSuchDevice, NoSuchGroup: one was removed meanwhile.
        StoreUnusable: the database does not answer.
    """
    pushed = Pushed([release for each in releases for release in each])
    components = [(each[0].name, each[0].version) for each in releases]
    if whom.devices:
        for device in whom.devices:
            for name, version in components:
                fleet.assignments.assign(name, version, device=device)
                pushed.pinned.append((device, name, version))
        return pushed
    names = [name for name, _ in components]
    pushed.following = _have_followed(fleet, names, whom)
    pushed.rollouts = [
        fleet.rollouts.start(name, version, plan, group)
        for group in (whom.groups or (None,))
        for name, version in components
    ]
    return pushed


def _have_followed(fleet: Fleet, names: Sequence[str], whom: Whom) -> int:
    """Nobody who is told otherwise of a name is made to follow it."""
    assigned = fleet.assignments.effective()
    leading, *others = names
    count = 0
    if whom.groups:
        members = fleet.groups.all()
        for group in whom.groups:
            devices = members.get(group, [])
            for name in names:
                if not devices or any(name not in assigned.get(each, {}) for each in devices):
                    fleet.assignments.assign(name, group=group)
                    count += 1
        return count
    for device in (each.name for each in fleet.devices.all()):
        told = assigned.get(device, {})
        wanted = names if whom.all_devices else others if told.get(leading) == LIVE else []
        lacking = [name for name in wanted if name not in told]
        for name in lacking:
            fleet.assignments.assign(name, device=device)
        count += bool(lacking)
    return count


def left_waiting(
    fleet: Fleet, rollouts: Sequence[Rollout], pinned: Sequence[tuple[str, str]] = ()
) -> dict[str, list[str]]:
    """By component, the devices that are to get a version and cannot: there is no archive for what they are.

    Args:
        fleet: whose devices they are.
        rollouts: for whoever follows.
        pinned: name and version, for whoever is pinned to it.

    Raises:
        StoreUnusable: the database does not answer.
    """
    found: dict[str, list[str]] = {}
    there = {(each.name, each.version, each.target) for each in fleet.releases.all()}
    for of in fleet.status():
        following = [
            (each.name, each.version)
            for each in rollouts
            if of.assigned.get(each.name) == LIVE and (each.group is None or each.group in of.device.groups)
        ]
        wanted = [*following, *((name, version) for name, version in pinned if of.assigned.get(name) == version)]
        for name in dict.fromkeys(name for name, version in wanted if (name, version, of.target) not in there):
            found.setdefault(name, []).append(of.device.name)
    return found


def say_left_waiting(waiting: Mapping[str, Sequence[str]]) -> None:
    """What `left_waiting` found, for a person."""
    for name, devices in waiting.items():
        named = ", ".join(devices[:_NAMED]) + (f" and {len(devices) - _NAMED:,} more" if len(devices) > _NAMED else "")
        say(f"note: there is no archive of {name} for what {named} runs on; package it for that, too", stderr=True)


def pushed_as_json(
    pushed: Pushed, statuses: Mapping[int, RolloutStatus], waiting: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """What was done, for scripts."""
    return {
        "releases": [release_as_json(each) for each in pushed.releases],
        "rollouts": [rollout_as_json(_now(each, statuses), statuses.get(each.id)) for each in pushed.rollouts],
        "pinned": [{"device": device, "name": name, "version": version} for device, name, version in pushed.pinned],
        "without_archive": {name: list(devices) for name, devices in waiting.items()},
        "changed": pushed.changed,
    }


def say_pushed(pushed: Pushed, statuses: Mapping[int, RolloutStatus], waiting: Mapping[str, Sequence[str]]) -> None:
    """What was done, for a person."""
    for release in pushed.releases:
        say(f"{release.title}: {release.size:,} bytes, made of {release.model_id}")
    for device, name, version in pushed.pinned:
        say(f"{device}: {name} {version}, pinned; `hotswap fleet assign {device} --component {name}` follows again")
    for begun in pushed.rollouts:
        _say_rollout(_now(begun, statuses), statuses.get(begun.id))
    if pushed.following:
        say("those that followed nothing of the name do from now on")
    say_left_waiting(waiting)
    say(changed_in_words(pushed.changed))


def _say_rollout(rollout: Rollout, status: RolloutStatus | None) -> None:
    share = rollout.plan.shares[rollout.step]
    if rollout.state == "halted":
        say(f"{rollout.title}: halted; it reaches no device more until `hotswap fleet push {rollout.name} --resume`")
        return
    reached, followers = (status.reached, status.followers) if status else (0, 0)
    say(f"{rollout.title}: {reached:,} of {followers:,} devices that follow are reached ({share:g} %)")
    later = rollout.plan.shares[rollout.step + 1 :]
    if later and rollout.state == "running":
        say(f"`hotswap fleet serve` carries it on, to {', '.join(f'{each:g} %' for each in later)}")
    if not followers:
        way = f"`hotswap fleet assign DEVICE --component {rollout.name}`, or --all-devices here"
        say(f"note: no device follows {rollout.name}, so that it comes to nobody yet: {way}", stderr=True)


def _now(rollout: Rollout, statuses: Mapping[int, RolloutStatus]) -> Rollout:
    """As the first step left it."""
    status = statuses.get(rollout.id)
    return rollout if status is None else status.rollout
