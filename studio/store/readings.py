"""What models say of corrected drawings, and how often each is right."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Text, and_, case, cast, exists, func, insert, not_, select

from studio.store.records import Accuracy
from studio.store.tables import corrections, readings
from studio.store.texts import LARGEST_INTEGER, finite, model_key, storable


def keep_reading(
    connection: Connection, correction: int, model_id: str, label: str, score: float | None, now: float
) -> None:
    """Keeps one, in a transaction of `Database.deciding`; the first of a model on a drawing counts.

    Args:
        correction: its number; where there is none, nothing is kept.
        model_id: who says it.
        label: what it says.
        score: how sure it is.
        now: seconds since 1970.
    """
    if not 0 < correction <= LARGEST_INTEGER:
        return
    model_id = storable(model_id)
    key = model_key(model_id)
    stands = select(corrections.c.number).where(corrections.c.number == correction, corrections.c.taken_back.is_(None))
    known = select(readings.c.model).where(readings.c.correction == correction, readings.c.model == key)
    if connection.execute(stands).first() is None or connection.execute(known).first() is not None:
        return
    connection.execute(
        insert(readings).values(
            correction=correction,
            model=key,
            model_id=model_id,
            label=storable(label),
            score=finite(score),
            time=now,
        )
    )


def numbers_without_reading(connection: Connection, model_id: str, most: int) -> Sequence[int]:
    """The latest corrections that a model was not asked for."""
    asked = exists().where(
        readings.c.correction == corrections.c.number, readings.c.model == model_key(storable(model_id))
    )
    return (
        connection.execute(
            select(corrections.c.number)
            .where(corrections.c.taken_back.is_(None), not_(asked))
            .order_by(corrections.c.number.desc())
            .limit(most)
        )
        .scalars()
        .all()
    )


def accuracies(connection: Connection) -> Sequence[Accuracy]:
    """Of each model that was asked for a correction which stands; in the order in which they were asked first."""
    right = readings.c.label == cast(corrections.c.label, Text)
    unseen = corrections.c.unseen
    counted = (
        select(
            func.max(readings.c.model_id),
            *(
                func.sum(case((each, 1), else_=0))
                for each in (and_(not_(unseen), right), not_(unseen), and_(unseen, right), unseen)
            ),
        )
        .join_from(readings, corrections)
        .where(corrections.c.taken_back.is_(None))
        .group_by(readings.c.model)
        .order_by(func.min(readings.c.time), func.max(readings.c.model_id))
    )
    return [Accuracy(model_id, *map(int, counts)) for model_id, *counts in connection.execute(counted)]
