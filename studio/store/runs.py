"""Retrainings that began, and what came of each."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, insert, select, update

from studio.store.records import Run
from studio.store.tables import corrections, runs
from studio.store.texts import moment, storable, storable_or_none

RUNNING = "running"
_ENDED_WITHOUT_A_WORD = {"state": "failed", "reason": "interrupted", "detail": "it was cut off before it ended"}


def begin_run(connection: Connection, studio: str, pipeline: str, now: float) -> int:
    """As of `Corrections.begin_run`, in a transaction of `Database.deciding`."""
    # A studio has one at a time: what still runs by the record was killed with it.
    cut_off = update(runs).where(runs.c.studio == studio, runs.c.state == RUNNING)
    connection.execute(cut_off.values(ended=now, **_ENDED_WITHOUT_A_WORD))
    stand = select(func.count()).where(corrections.c.taken_back.is_(None))
    made = connection.execute(
        insert(runs).values(
            studio=studio,
            pipeline=storable(pipeline)[:100],
            started=now,
            state=RUNNING,
            reason="",
            detail="",
            corrections=connection.execute(stand).scalar_one(),
            change=latest_change(connection),
        )
    )
    assert made.inserted_primary_key is not None
    return int(made.inserted_primary_key[0])


def end_run(
    connection: Connection, number: int, state: str, reason: str, detail: str, model_id: str | None, now: float
) -> None:
    """As of `Corrections.end_run`, in a transaction."""
    connection.execute(
        update(runs)
        .where(runs.c.number == number)
        .values(
            ended=now,
            state=storable(state)[:20],
            reason=storable(reason),
            detail=storable(detail),
            model_id=storable_or_none(model_id),
        )
    )


def latest_runs(connection: Connection, studio: str, most: int) -> Sequence[Run]:
    """Of a studio, the newest first."""
    its = select(runs).where(runs.c.studio == studio)
    found = connection.execute(its.order_by(runs.c.number.desc()).limit(most)).all()
    return [
        Run(
            number=row.number,
            pipeline=row.pipeline,
            started=moment(row.started),
            ended=None if row.ended is None else moment(row.ended),
            state=row.state,
            reason=row.reason,
            detail=row.detail,
            model_id=row.model_id,
            corrections=row.corrections,
        )
        for row in found
    ]


def change_at_latest_run(connection: Connection, studio: str) -> int:
    """The latest change of corrections before a studio's last run began; 0 where none did."""
    its = select(runs.c.change).where(runs.c.studio == studio)
    found = connection.execute(its.order_by(runs.c.number.desc()).limit(1)).scalar_one_or_none()
    return int(found or 0)


def latest_change(connection: Connection) -> int:
    """The number of the latest change of corrections; 0 where there is none."""
    return int(connection.execute(select(func.coalesce(func.max(corrections.c.change), 0))).scalar_one())
