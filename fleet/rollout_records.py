"""Rollouts as they are kept: begun, halted, gone on with, taken back, and told of."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

from sqlalchemy import Connection, insert, update

from fleet.errors import NoSuchRelease, NoSuchRollout
from fleet.identities import require_group
from fleet.plans import Outcomes, all_rollouts, load_plans
from fleet.releases import all_releases, no_such_release, version_order
from fleet.rollouts import (
    Follower,
    Plan,
    Rollout,
    RolloutState,
    resumed,
    superseded,
    taken_back,
    versions_before,
)
from fleet.store.database import Database
from fleet.store.keeping import keep, kept
from fleet.store.tables import marks, reached, rollouts
from fleet.twin_store import TwinStore


@dataclass(frozen=True, slots=True)
class RolloutStatus:
    """A rollout, and how many devices.

    Attributes:
        rollout: as it is kept.
        followers: devices that follow it.
        reached: of these, those that it has come to.
        running: of these, those that report that they run it.
        failed: of these, those that report that they gave it up.
    """

    rollout: Rollout
    followers: int
    reached: int
    running: int
    failed: int

    @property
    def silent(self) -> int:
        """Those reached that have said neither."""
        return self.reached - self.running - self.failed


class Rollouts:
    """The rollouts of a fleet. Any thread may use it. They go on by `Fleet.advance`.

    Args:
        database: that holds them.
        twins: where devices report.
        clock: answers seconds since 1970.
    """

    def __init__(self, database: Database, twins: TwinStore, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._twins = twins
        self._clock = clock

    def start(
        self, name: str, version: str | None = None, plan: Plan | None = None, group: str | None = None
    ) -> Rollout:
        """Begins to take a release to the devices that follow its name. A rollout of that name to the same devices that
        is not done ends; one for all ends those for groups, too.

        Args:
            name: of the component.
            version: of the component; None: the greatest on record.
            plan: None: all devices at once.
            group: whose devices alone get it; None: all that follow.

        Raises:
            NoSuchRelease: there is none.
            NoSuchGroup: there is none.
            StoreUnusable: the database does not answer.
        """
        with self._database.changing_plans() as connection:
            return self._start(connection, name, version, plan or Plan(), group)

    def go_live(self, name: str, version: str, plan: Plan) -> Rollout | None:
        """`start`, if this version is another than the one that this was called with last for that name.

        So a server that is begun anew does not undo what people pushed since.

        Returns:
            the rollout; None where nothing was begun.

        Raises:
            NoSuchRelease, StoreUnusable: as of `start`.
        """
        key = f"live:{name}"
        with self._database.changing_plans() as connection:
            if kept(connection, marks, key) == version:
                return None
            keep(connection, marks, key, version)
            return self._start(connection, name, version, plan, None)

    def go_on(self, name: str, group: str | None = None) -> Rollout:
        """Goes on with the halted rollout of a name. Devices that failed until now count no more, neither way.

        Args:
            name: of the component.
            group: whose rollout; None: that for all, else that of the only group that has one.

        Raises:
            NoSuchRollout: none of that name is halted, or several are, each for a group.
            StoreUnusable: as of `start`.
        """
        outcomes = Outcomes(self._twins.devices())
        with self._database.changing_plans() as connection:
            rollout = resumed(_of_state(connection, name, "halted", group), self._clock())
            state = load_plans(connection)
            failed = [
                each.device for each in state.followers(rollout, outcomes) if each.reached and each.outcome == "failed"
            ]
            for device in failed:
                row = (reached.c.rollout == rollout.id, reached.c.device == device)
                connection.execute(update(reached).where(*row).values(forgiven=True))
            save_rollout(connection, rollout)
            return rollout

    def halt(self, name: str, note: str = "halted by hand", group: str | None = None) -> Rollout:
        """Halts the running rollout of a name: it reaches no device more until `go_on`.

        Args:
            name, group: as of `go_on`.
            note: why, one line.

        Raises:
            NoSuchRollout: none of that name is running, or several are, each for a group.
            StoreUnusable: as of `start`.
        """
        with self._database.changing_plans() as connection:
            rollout = replace(_of_state(connection, name, "running", group), state="halted", note=note)
            save_rollout(connection, rollout)
            return rollout

    def back(self, name: str, plan: Plan | None = None, group: str | None = None) -> Rollout:
        """Begins a rollout of the release before: that of the last rollout of another version that was done, else the
        next smaller version on record. A version that was taken back before is passed over, so that each call goes
        further back.

        Args:
            name: of the component.
            plan: None: all devices at once.
            group: whose devices go back; None: those that the latest rollout of the name was for.

        Raises:
            NoSuchGroup: there is none.
            NoSuchRollout: nothing was rolled out.
            NoSuchRelease: there is no release before.
            StoreUnusable: as of `start`.
        """
        with self._database.changing_plans() as connection:
            every = all_rollouts(connection, name)
            scope = every[-1].group if every and group is None else group
            history = [each for each in every if each.group in (None, scope)]
            if not history:
                raise NoSuchRollout(f"nothing of {ascii(name)[1:-1][:140]} was rolled out yet")
            latest = history[-1]
            version = _before(connection, history)
            if version is None:
                raise NoSuchRelease(f"there is no release before {latest.title}")
            return self._start(connection, name, version, plan or Plan(), scope, is_back=True)

    def all(self, name: str | None = None) -> list[Rollout]:
        """Every rollout, the latest last.

        Args:
            name: of one component alone; None: of all.

        Raises:
            StoreUnusable: as of `start`.
        """
        with self._database.reading() as connection:
            return all_rollouts(connection, name)

    def status(self) -> list[RolloutStatus]:
        """The rollouts that tell how it is now, with how their devices do: of each name the latest for all, and those
        for groups that were begun since, the latest of each group. Sorted by name, the earlier first.

        Raises:
            StoreUnusable: as of `start`.
        """
        with self._database.reading() as connection:
            plans = load_plans(connection)
        # Read later: of a rollout that is done it is known what made it so.
        outcomes = Outcomes(self._twins.devices())
        told: dict[str, dict[str | None, Rollout]] = {}
        for rollout in plans.rollouts:
            of_name = told.setdefault(rollout.name, {})
            if rollout.group is None:
                of_name.clear()
            of_name[rollout.group] = rollout
        latest = sorted((each for of in told.values() for each in of.values()), key=lambda each: (each.name, each.id))
        return [_status(each, plans.followers(each, outcomes)) for each in latest]

    def _start(
        self,
        connection: Connection,
        name: str,
        version: str | None,
        plan: Plan,
        group: str | None,
        *,
        is_back: bool = False,
    ) -> Rollout:
        if group is not None:
            require_group(connection, group)
        versions = {each.version for each in all_releases(connection, name)}
        chosen = max(versions, key=version_order, default=None) if version is None else version
        if chosen not in versions or chosen is None:
            raise no_such_release(name, "of any version" if chosen is None else chosen)
        for earlier in all_rollouts(connection, name):
            if earlier.state in ("running", "halted") and group in (None, earlier.group):
                save_rollout(connection, superseded(earlier, by=chosen))
        now = self._clock()
        begun = Rollout(0, name, chosen, group, plan, "running", 0, now, now, is_back=is_back)
        return replace(begun, id=_insert_rollout(connection, begun))


def save_rollout(connection: Connection, rollout: Rollout) -> None:
    """Keeps what became of a rollout."""
    connection.execute(
        update(rollouts)
        .where(rollouts.c.id == rollout.id)
        .values(state=rollout.state, step=rollout.step, since=rollout.since, note=rollout.note)
    )


def _insert_rollout(connection: Connection, rollout: Rollout) -> int:
    made = connection.execute(
        insert(rollouts)
        .values(
            name=rollout.name,
            version=rollout.version,
            group_name=rollout.group,
            shares=json.dumps(rollout.plan.shares),
            pause=rollout.plan.pause,
            halt=rollout.plan.halt,
            state=rollout.state,
            step=rollout.step,
            since=rollout.since,
            started=rollout.started,
            note=rollout.note,
            is_back=rollout.is_back,
        )
        .returning(rollouts.c.id)
    )
    return cast(int, made.scalar_one())


def _of_state(connection: Connection, name: str, state: RolloutState, group: str | None) -> Rollout:
    called = ascii(name)[1:-1][:140]
    found = {each.group: each for each in all_rollouts(connection, name) if each.state == state}
    if group is None and None not in found and len(found) > 1:
        groups = ", ".join(sorted(each for each in found if each is not None))
        raise NoSuchRollout(f"rollouts of {called} are {state} in the groups {groups}: say which one, by --group GROUP")
    chosen = found.get(group) or (next(iter(found.values()), None) if group is None else None)
    if chosen is None:
        where = "" if group is None else f" in the group {ascii(group)[1:-1][:140]}"
        raise NoSuchRollout(f"no rollout of {called} is {state}{where}; `hotswap fleet status` shows how they are")
    return chosen


def _before(connection: Connection, history: Sequence[Rollout]) -> str | None:
    done = versions_before(history)
    if done:
        return done[0]
    latest = history[-1]
    known = {each.version for each in all_releases(connection, latest.name)} - taken_back(history)
    order = version_order(latest.version)
    return max((each for each in known if version_order(each) < order), key=version_order, default=None)


def _status(rollout: Rollout, followers: Sequence[Follower]) -> RolloutStatus:
    came_to = [each.outcome for each in followers if each.reached]
    return RolloutStatus(rollout, len(followers), len(came_to), came_to.count("running"), came_to.count("failed"))
