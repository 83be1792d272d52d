"""Corrections that people made, kept in a database: SQLite in a file, or PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from sqlalchemy import Connection, Row, case, func, insert, select, update

from databases.database import Database
from studio.errors import StudioRefused, Trouble
from studio.retraining.digits import CLASSES
from studio.store import readings, runs
from studio.store.folder import export_folder
from studio.store.packed import write_parquet, write_zip
from studio.store.records import Accuracy as Accuracy
from studio.store.records import Correction as Correction
from studio.store.records import Counts as Counts
from studio.store.records import NewCorrection as NewCorrection
from studio.store.records import Run as Run
from studio.store.sides import is_unseen, pixels_digest
from studio.store.tables import BROWSER_CHARACTERS, DRAWING_CHARACTERS, SCHEMA, corrections
from studio.store.texts import LARGEST_INTEGER, finite, moment, storable, storable_or_none

_PAGE = 500
"""Corrections that are read at once: a drawing has a kilobyte."""
_STANDS = corrections.c.taken_back.is_(None)


class Corrections:
    """An open database of corrections. Any thread may use it, and other processes use the same at the same time.

    The database may go away and come back at any time: meanwhile each call raises `StoreUnusable`, and works again
    afterwards. Texts of strangers are cut, and lose what a database does not take.

    Args:
        database: of `studio.store.tables.SCHEMA`.
        studio: who asks, 32 characters at most. Corrections are common to all studios of a database; runs, and what is
            new since the last, are of this one.
        clock: seconds since 1970.
    """

    def __init__(self, database: Database, studio: str = "", clock: Callable[[], float] = time.time) -> None:
        self._database, self._studio, self._clock = database, studio, clock
        self._exporting = threading.Lock()

    @classmethod
    def open(cls, address: str, at_once: bool = True, studio: str = "") -> Self:
        """Opens a database, which is made or brought up to date where it has to be.

        Args:
            address: as of `databases.addresses.database_url`.
            at_once: whether it must be there already; else it is opened as soon as it is.
            studio: who opens it.

        Raises:
            StoreUnusable: it cannot be opened, or is of a newer version; one line, without a password.
        """
        return cls(Database(address, SCHEMA, at_once), studio)

    def close(self) -> None:
        """Gives all connections back."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def correct(self, new: NewCorrection) -> Correction:
        """Keeps what somebody says of a drawing. Again on the same drawing, it changes the label; a correction that was
        taken back stands again. What the model had said of it is kept as its reading.

        Raises:
            StudioRefused: `BAD_DRAWING`, the drawing is no image; `BAD_REQUEST`, the label is no digit or a name is too
                long; `NOT_FOUND`, the drawing is another browser's.
            StoreUnusable: the database does not answer.
        """
        drawing, browser = storable(new.drawing), storable(new.browser)
        if not 0 <= new.label < CLASSES:
            raise StudioRefused(Trouble.BAD_REQUEST, "a correction is one of the digits 0 to 9")
        if len(drawing) > DRAWING_CHARACTERS or len(browser) > BROWSER_CHARACTERS:
            raise StudioRefused(Trouble.BAD_REQUEST, "the name of a drawing or of a browser is too long")
        pixels, now = pixels_digest(new.png), self._clock()
        with self._database.deciding() as connection:
            row = connection.execute(select(corrections).where(corrections.c.drawing == drawing)).one_or_none()
            if row is None:
                made = connection.execute(
                    insert(corrections).values(
                        drawing=drawing,
                        png=new.png,
                        pixels=pixels,
                        label=new.label,
                        answer=storable_or_none(new.answer),
                        score=finite(new.score),
                        model_id=storable_or_none(new.model_id),
                        browser=browser,
                        unseen=is_unseen(connection, pixels, new.label, new.answer),
                        change=runs.latest_change(connection) + 1,
                        time=now,
                    )
                )
                assert made.inserted_primary_key is not None
                number = int(made.inserted_primary_key[0])
            elif row.browser != browser:
                raise StudioRefused(Trouble.NOT_FOUND, "there is no such drawing")
            else:
                number = row.number
                if row.label != new.label or row.taken_back is not None:
                    change = runs.latest_change(connection) + 1
                    connection.execute(
                        update(corrections)
                        .where(corrections.c.number == number)
                        .values(label=new.label, taken_back=None, change=change, time=now)
                    )
            if new.model_id is not None and new.answer is not None:
                readings.keep_reading(connection, number, new.model_id, new.answer, new.score, now)
            return _correction(connection.execute(select(corrections).where(corrections.c.number == number)).one())

    def take_back(self, drawing: str, browser: str) -> bool:
        """Takes a correction back: it counts nowhere, and is exported no more. Its side is remembered.

        Returns:
            whether there was one, of this browser.

        Raises:
            StoreUnusable: the database does not answer.
        """
        with self._database.deciding() as connection:
            changed = connection.execute(
                update(corrections)
                .where(corrections.c.drawing == storable(drawing), corrections.c.browser == storable(browser), _STANDS)
                .values(taken_back=self._clock())
            )
            return bool(changed.rowcount)

    def counts(self) -> Counts:
        """How many there are.

        Raises:
            StoreUnusable: the database does not answer.
        """
        by_label, sides, since_run = [0] * CLASSES, {False: 0, True: 0}, 0
        with self._database.reading() as connection:
            is_new = corrections.c.change > runs.change_at_latest_run(connection, self._studio)
            each = (corrections.c.label, corrections.c.unseen)
            counted = select(*each, func.count(), func.sum(case((is_new, 1), else_=0)))
            for label, unseen, count, new in connection.execute(counted.where(_STANDS).group_by(*each)):
                by_label[label] += count
                sides[bool(unseen)] += count
                since_run += int(new)
        return Counts(sum(by_label), sides[False], sides[True], since_run, tuple(by_label))

    def latest(self, most: int, before: int | None = None) -> Sequence[Correction]:
        """The newest first, of all browsers.

        Args:
            most: of them.
            before: a number; only those with smaller ones.

        Raises:
            StoreUnusable: the database does not answer.
        """
        chosen = select(corrections).where(_STANDS)
        if before is not None:
            chosen = chosen.where(corrections.c.number < max(0, min(before, LARGEST_INTEGER)))
        with self._database.reading() as connection:
            found = connection.execute(chosen.order_by(corrections.c.number.desc()).limit(_limit(most))).all()
        return [_correction(row) for row in found]

    def export(self, folder: Path, most: int = 10_000) -> int:
        """Writes images and `corrections.jsonl`, as retraining reads them: beside the folder, then all in its place.

        Args:
            folder: is replaced; what lies in it must be such an export.
            most: the latest.

        Returns:
            how many.

        Raises:
            StudioRefused: `NOT_POSSIBLE`, something else lies there.
            StoreUnusable: the database does not answer; the folder is as it was.
            OSError: the folder cannot be written; it is as it was.
        """
        with self._exporting:
            return export_folder(self._pages(most), folder)

    def write_parquet(self, file: BinaryIO) -> int:
        """Writes all as Parquet, with the fields of `Correction` but `browser`; `png` is binary, `time` in UTC.

        Args:
            file: open to write; needs not be one in which one can go back.

        Returns:
            how many.

        Raises:
            ModuleNotFoundError: pyarrow is not installed.
            StoreUnusable: the database does not answer.
            OSError: the file cannot be written.
        """
        return write_parquet(self._pages(), file)

    def write_zip(self, file: BinaryIO) -> int:
        """Writes all as a ZIP of what `export` writes.

        Args:
            file: as of `write_parquet`.

        Returns:
            how many.

        Raises:
            StoreUnusable: the database does not answer.
            OSError: the file cannot be written.
        """
        return write_zip(self._pages(), file)

    def keep_reading(self, correction: int, model_id: str, label: str, score: float) -> None:
        """Keeps what a model says of a corrected drawing, where that is there still; what it said first counts.

        Args:
            correction: its number.
            model_id: who says it.
            label: what it says.
            score: how sure it is, 0 to 1.

        Raises:
            StoreUnusable: the database does not answer.
        """
        with self._database.deciding() as connection:
            readings.keep_reading(connection, correction, model_id, label, score, self._clock())

    def without_reading(self, model_id: str, most: int) -> Sequence[Correction]:
        """Those that a model was not asked for yet, the newest first.

        Raises:
            StoreUnusable: the database does not answer.
        """
        with self._database.reading() as connection:
            numbers = readings.numbers_without_reading(connection, model_id, _limit(most))
            chosen = select(corrections).where(corrections.c.number.in_(numbers))
            found = connection.execute(chosen.order_by(corrections.c.number.desc())).all()
        return [_correction(row) for row in found]

    def accuracy(self) -> Sequence[Accuracy]:
        """Of each model that was asked for a correction, in the order in which they were asked first.

        Raises:
            StoreUnusable: the database does not answer.
        """
        with self._database.reading() as connection:
            return readings.accuracies(connection)

    def begin_run(self, pipeline: str) -> int:
        """Notes that a retraining of this studio begins, before it exports. One of its own that still runs by the
        record is noted as cut off.

        Returns:
            its number.

        Raises:
            StoreUnusable: the database does not answer.
        """
        with self._database.deciding() as connection:
            return runs.begin_run(connection, self._studio, pipeline, self._clock())

    def end_run(self, number: int, state: str, reason: str, detail: str, model_id: str | None) -> None:
        """Notes what came of a retraining.

        Raises:
            StoreUnusable: the database does not answer.
        """
        with self._database.writing() as connection:
            runs.end_run(connection, number, state, reason, detail, model_id, self._clock())

    def runs(self, most: int) -> Sequence[Run]:
        """Those of this studio, the newest first.

        Raises:
            StoreUnusable: the database does not answer.
        """
        with self._database.reading() as connection:
            return runs.latest_runs(connection, self._studio, _limit(most))

    def _pages(self, most: int | None = None) -> Iterator[Sequence[Correction]]:
        """All, or the latest, each once, in the order of their changes; no transaction is open between two pages."""
        told: set[int] = set()
        with self._database.reading() as connection:
            after = 0 if most is None else _change_before(connection, most)
        while True:
            chosen = select(corrections).where(_STANDS, corrections.c.change > after).order_by(corrections.c.change)
            with self._database.reading() as connection:
                rows = connection.execute(chosen.limit(_PAGE)).all()
            if not rows:
                return
            after = rows[-1].change
            # What is changed meanwhile comes again at the end.
            yield [_correction(row) for row in rows if row.number not in told]
            told.update(row.number for row in rows)


def _change_before(connection: Connection, most: int) -> int:
    chosen = select(corrections.c.change).where(_STANDS).order_by(corrections.c.change.desc())
    found = connection.execute(chosen.offset(_limit(most)).limit(1)).scalar_one_or_none()
    return int(found or 0)


def _limit(most: int) -> int:
    return max(0, min(most, LARGEST_INTEGER))


def _correction(row: Row[Any]) -> Correction:
    return Correction(
        number=row.number,
        drawing=row.drawing,
        png=row.png,
        label=row.label,
        answer=row.answer,
        score=row.score,
        model_id=row.model_id,
        browser=row.browser,
        unseen=row.unseen,
        time=moment(row.time),
    )
