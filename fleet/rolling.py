"""The step that takes rollouts on: read the database and the twins, ask the rules, write both."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, true

from fleet.errors import NoSuchDevice, TwinChanged, TwinRefused
from fleet.plans import Outcomes, Plans, load_plans
from fleet.rollout_records import save_rollout
from fleet.rollouts import Move, at_this_hour, next_move
from fleet.store.database import Database, count_change, plans_version
from fleet.store.keeping import keep, kept
from fleet.store.tables import devices, marks, reached, rollouts
from fleet.twin_store import TwinStore
from models.components.component import Target
from models.printable import logger

_LOGGER = logger(__name__)

_TRIES = 5
_AWAKE, _AWAKE_SECONDS = "awake", 60.0
"""Whoever takes rollouts on writes so; after a minute without it they slept."""
_LOOK_EVERY_SECONDS = 60.0
"""How often twins are looked at although no plan changed: somebody else may have written into them."""


class Rolling:
    """Takes rollouts on, and remembers when there is nothing to do. One thread at a time.

    Args:
        database: that holds the plans.
        twins: where devices read and report.
    """

    def __init__(self, database: Database, twins: TwinStore) -> None:
        self._database = database
        self._twins = twins
        self._settled = -1
        self._looked = 0.0
        self._refused: dict[str, str] = {}

    def advance(self, now: float) -> int:
        """Takes each running rollout on, and writes into twins what they are to hold.

        All of it is decided by what is kept: whoever is interrupted anywhere, or does it while another server does,
        changes nothing of the outcome.

        Args:
            now: seconds since 1970.

        Returns:
            how many twins were written.

        Raises:
            StoreUnusable: the database or the store of twins does not answer.
        """
        written = 0
        for _ in range(_TRIES):
            if self._nothing_to_do(now):
                break
            # In this order: should somebody write by later plans than these, the twin's etag is another one by then.
            outcomes = Outcomes(self._twins.devices())
            plans, version = self._decide(outcomes, now)
            here, missed = self._write(plans, outcomes)
            written += here
            if not missed:
                self._settled, self._looked = version, now
                break
        return written

    def _nothing_to_do(self, now: float) -> bool:
        with self._database.reading() as connection:
            running = select(rollouts.c.id).where(rollouts.c.state == "running").limit(1)
            return (
                plans_version(connection) == self._settled
                and 0 <= now - self._looked < _LOOK_EVERY_SECONDS
                and connection.execute(running).one_or_none() is None
            )

    def _decide(self, outcomes: Outcomes, now: float) -> tuple[Plans, int]:
        """Takes rollouts as far as they may go now; the plans that hold then, and their number."""
        with self._database.deciding() as connection:
            plans = load_plans(connection)
            running = [each for each in plans.rollouts if each.state == "running"]
            asleep = _seconds_asleep(connection, now) if running else 0.0
            for rollout in running:
                current = at_this_hour(rollout, asleep, now)
                move = next_move(current, plans.followers(current, outcomes), now)
                while move.reach or move.rollout is not current:
                    _reach(connection, move, now)
                    plans, current = plans.after(move), move.rollout
                    move = next_move(current, plans.followers(current, outcomes), now)
                if current != rollout:
                    save_rollout(connection, current)
                    count_change(connection)
            return plans, plans_version(connection)

    def _write(self, plans: Plans, outcomes: Outcomes) -> tuple[int, bool]:
        """How many twins were written, and whether somebody else was faster at one."""
        written, missed = 0, False
        for twin in outcomes.twins.values():
            if twin.device not in plans.targets:
                continue
            models = plans.desired(twin, outcomes)
            if models == twin.models:
                continue
            try:
                self._twins.write_desired(twin.device, models, twin.etag)
                written += 1
            except (TwinChanged, NoSuchDevice):
                missed = True
            except TwinRefused as error:
                self._tell_once(twin.device, str(error))
        return written, missed

    def _tell_once(self, device: str, why: str) -> None:
        if self._refused.get(device) != why:
            self._refused[device] = why
            _LOGGER.warning("%s", why)


def _reach(connection: Connection, move: Move, now: float) -> None:
    rows = [{"rollout": move.rollout.id, "device": each, "since": now, "forgiven": False} for each in move.reach]
    if rows:
        connection.execute(insert(reached), rows)
    if move.rollout.state == "done":
        # All who follow have it now: who had which one before tells nothing any more.
        before = select(rollouts.c.id).where(
            rollouts.c.name == move.rollout.name,
            rollouts.c.id < move.rollout.id,
            true() if move.rollout.group is None else rollouts.c.group_name == move.rollout.group,
        )
        connection.execute(delete(reached).where(reached.c.rollout.in_(before)))


def _seconds_asleep(connection: Connection, now: float) -> float:
    """How long nobody took rollouts on; 0 where somebody did all the time."""
    told = kept(connection, marks, _AWAKE)
    gap = 0.0 if told is None else now - float(told)
    if told is None or not 0 <= gap < _AWAKE_SECONDS / 6:
        keep(connection, marks, _AWAKE, repr(now))
    return gap if gap > _AWAKE_SECONDS else 0.0


def targets_of(database: Database, twins: TwinStore) -> dict[str, Target]:
    """The target of each device: as it reports, else as it was added.

    Raises:
        StoreUnusable: the database or the store of twins does not answer.
    """
    outcomes = Outcomes(twins.devices())
    with database.reading() as connection:
        rows = connection.execute(select(devices.c.id, devices.c.target)).all()
    return {row.id: outcomes.target(row.id, row.target) for row in rows}
