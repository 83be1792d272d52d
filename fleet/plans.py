"""All that is planned, read at once: who follows what, what there is for them, and how far rollouts are."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

from sqlalchemy import Connection, Row, func, select

from fleet.assignments import DEFAULT_COMPONENT, LIVE, NOTHING, effective_assignments
from fleet.releases import Release, all_releases
from fleet.rollouts import Follower, Move, Outcome, Plan, Rollout, came_to
from fleet.store.tables import devices, memberships, reached, rollouts
from models.components.component import TARGETS, Target
from models.components.twin import MOST_MODELS, DesiredModel, Twin


class Outcomes:
    """What devices say of archives, and of themselves.

    Args:
        twins: of all devices.
    """

    def __init__(self, twins: Iterable[Twin]) -> None:
        self.twins = {twin.device: twin for twin in twins}

    def target(self, device: str, added: str) -> Target:
        """The target of a device: what it reports, where that is one.

        Args:
            added: the target that it was added with.
        """
        twin = self.twins.get(device)
        told = twin.reported.target if twin is not None else ""
        return cast(Target, told if told in TARGETS else added)

    def of(self, device: str, sha256: str) -> Outcome:
        """What a device says of an archive."""
        twin = self.twins.get(device)
        for model in twin.reported.models if twin is not None else ():
            if model.sha256 == sha256 and model.state in ("running", "failed"):
                return cast(Outcome, model.state)
        return "silent"


@dataclass(frozen=True)
class Plans:
    """All that is planned, as one transaction saw it.

    Attributes:
        targets: of each device, as it was added.
        members: the devices of each group.
        assigned: the version (`X.Y.Z`, `live`, `nothing`) of each component for each device.
        releases: by name, version and target; those that are assigned or rolled out.
        rollouts: the earliest first; without those that a later one for all devices has made meaningless.
        reached: the devices that each rollout, by its number, came to; with whether they are forgiven.
    """

    targets: Mapping[str, str]
    members: Mapping[str, frozenset[str]]
    assigned: Mapping[str, Mapping[str, str]]
    releases: Mapping[tuple[str, str, str], Release]
    rollouts: tuple[Rollout, ...]
    reached: Mapping[int, Mapping[str, bool]]

    def followers(self, rollout: Rollout, outcomes: Outcomes) -> list[Follower]:
        """The devices that a rollout is for, and that there is or was an archive for; sorted. Not those that a later rollout
        of the name came to: they follow that one."""
        found = []
        has = self.reached.get(rollout.id, {})
        for device, added in self.targets.items():
            if self.assigned.get(device, {}).get(rollout.name) != LIVE or not self.in_scope(device, rollout):
                continue
            if any(each.id > rollout.id for each in self._that_came_to(device, rollout.name)):
                continue
            release = self.releases.get((rollout.name, rollout.version, outcomes.target(device, added)))
            if release is not None:
                outcome = outcomes.of(device, release.sha256)
                has_it = rollout.state == "done" or device in has
                found.append(Follower(device, outcome, has_it, has.get(device, False)))
            elif device in has:
                # It says now that it is something else. Nobody comes in its place.
                found.append(Follower(device, reached=True))
        return found

    def in_scope(self, device: str, rollout: Rollout) -> bool:
        """Whether a rollout is for a device, should it follow."""
        return rollout.group is None or device in self.members.get(rollout.group, ())

    def after(self, move: Move) -> Plans:
        """The plans once a move is made."""
        has = {**self.reached.get(move.rollout.id, {}), **dict.fromkeys(move.reach, False)}
        return replace(
            self,
            rollouts=tuple(move.rollout if each.id == move.rollout.id else each for each in self.rollouts),
            reached={**self.reached, move.rollout.id: has},
        )

    def desired(self, twin: Twin, outcomes: Outcomes) -> tuple[DesiredModel, ...]:
        """What a device is to run: its twin as it is, but for the components that are assigned to it.

        Where a twin would hold more than `MOST_MODELS`, those go that nothing is assigned of any more.
        """
        target = outcomes.target(twin.device, self.targets[twin.device])
        wanted = twin
        assigned = self.assigned.get(twin.device, {})
        # What follows a folder's live model leads: the device's `current` is the first.
        for name, version in sorted(assigned.items(), key=lambda each: (each[0] != DEFAULT_COMPONENT, each[0])):
            if version == NOTHING:
                wanted = replace(wanted, models=tuple(each for each in wanted.models if each.name != name))
                continue
            chosen = self._rolled_out(twin.device, name) if version == LIVE else version
            release = None if chosen is None else self.releases.get((name, chosen, target))
            if release is not None:
                wanted = replace(wanted, models=wanted.with_model(release.desired()))
        return _fitting(wanted.models, assigned)

    def _rolled_out(self, device: str, name: str) -> str | None:
        latest = max(self._that_came_to(device, name), key=lambda each: each.id, default=None)
        return None if latest is None else latest.version

    def _that_came_to(self, device: str, name: str) -> list[Rollout]:
        # Also those of groups that it left since.
        return came_to(
            (each, device in self.reached.get(each.id, {}), self.in_scope(device, each))
            for each in self._rollouts_of.get(name, ())
        )

    @cached_property
    def _rollouts_of(self) -> dict[str, list[Rollout]]:
        found: dict[str, list[Rollout]] = {}
        for rollout in self.rollouts:
            found.setdefault(rollout.name, []).append(rollout)
        return found


def _fitting(models: tuple[DesiredModel, ...], assigned: Collection[str]) -> tuple[DesiredModel, ...]:
    """As many as a device reads; a longer twin would be refused as a whole. What came first of the others goes first,
    but for that which leads."""
    others = [each.name for each in (*models[1:], *models[:1]) if each.name not in assigned]
    leaving = others[: max(0, len(models) - MOST_MODELS)]
    return tuple(each for each in models if each.name not in leaving)


def load_plans(connection: Connection) -> Plans:
    """Reads all that is planned."""
    members: dict[str, set[str]] = {}
    for row in connection.execute(select(memberships)):
        members.setdefault(row.group_name, set()).add(row.device)
    has: dict[int, dict[str, bool]] = {}
    for row in connection.execute(select(reached)):
        has.setdefault(row.rollout, {})[row.device] = row.forgiven
    assigned = effective_assignments(connection)
    current = _current_rollouts(connection)
    versions = {version for of in assigned.values() for version in of.values()} | {each.version for each in current}
    return Plans(
        targets={
            row.id: row.target
            for row in connection.execute(select(devices.c.id, devices.c.target).order_by(devices.c.id))
        },
        members={name: frozenset(them) for name, them in members.items()},
        assigned=assigned,
        releases={
            (each.name, each.version, each.target): each
            for each in all_releases(connection)
            if each.version in versions
        },
        rollouts=current,
        reached=has,
    )


def _current_rollouts(connection: Connection) -> tuple[Rollout, ...]:
    later = rollouts.alias()
    last_for_all = (
        select(func.coalesce(func.max(later.c.id), 0))
        .where(later.c.name == rollouts.c.name, later.c.state == "done", later.c.group_name.is_(None))
        .scalar_subquery()
    )
    query = select(rollouts).where(rollouts.c.id >= last_for_all).order_by(rollouts.c.id)
    return tuple(_rollout(row) for row in connection.execute(query))


def all_rollouts(connection: Connection, name: str | None = None) -> list[Rollout]:
    """Every rollout, the earliest first.

    Args:
        name: of one component alone; None: of all.
    """
    query = select(rollouts).order_by(rollouts.c.id)
    return [
        _rollout(row) for row in connection.execute(query if name is None else query.where(rollouts.c.name == name))
    ]


def _rollout(row: Row[Any]) -> Rollout:
    plan = Plan(tuple(json.loads(row.shares)), row.pause, row.halt)
    return Rollout(
        row.id,
        row.name,
        row.version,
        row.group_name,
        plan,
        row.state,
        row.step,
        row.since,
        row.started,
        row.note,
        row.is_back,
    )
