"""The step that takes rollouts on: read the database and the twins, ask the rules, write both."""

from __future__ import annotations

from sqlalchemy import insert, select

from fleet.errors import NoSuchDevice, TwinChanged
from fleet.plans import Outcomes, Plans, load_plans
from fleet.rollout_records import save_rollout
from fleet.rollouts import next_move
from fleet.store.database import Database, count_change, plans_version
from fleet.store.tables import devices, reached, rollouts
from fleet.twin_store import TwinStore
from models.components.component import Target

_TRIES = 5
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
            changed = False
            for rollout in plans.rollouts:
                current = rollout
                while True:
                    move = next_move(current, plans.followers(current, outcomes), now)
                    if not move.reach and move.rollout is current:
                        break
                    for device in move.reach:
                        row = {"rollout": current.id, "device": device, "since": now, "forgiven": False}
                        connection.execute(insert(reached).values(row))
                    save_rollout(connection, move.rollout)
                    plans, current, changed = plans.after(move), move.rollout, True
            if changed:
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
        return written, missed


def targets_of(database: Database, twins: TwinStore) -> dict[str, Target]:
    """The target of each device: as it reports, else as it was added.

    Raises:
        StoreUnusable: the database or the store of twins does not answer.
    """
    outcomes = Outcomes(twins.devices())
    with database.reading() as connection:
        rows = connection.execute(select(devices.c.id, devices.c.target)).all()
    return {row.id: outcomes.target(row.id, row.target) for row in rows}
