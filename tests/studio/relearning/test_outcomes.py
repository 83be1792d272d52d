"""What came of a run is told by the word that says what to do."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from databases.errors import StoreUnusable
from studio.relearning.outcomes import Failure, unread
from studio.store.corrections import Corrections
from tests.studio.store.drawn import new


def test_a_disk_that_is_full_is_no_database_that_is_away(small_disk: Path) -> None:
    with Corrections.open(str(small_disk / "studio.db")) as corrections:
        with (small_disk / "others").open("ab", buffering=0) as others, suppress(OSError):
            while True:
                others.write(bytes(4096))
        with pytest.raises(StoreUnusable) as caught:
            for number in range(1000):
                corrections.correct(new(number, 3))

    outcome = unread(caught.value)
    assert outcome.reason == Failure.DISK_FULL
    assert outcome.line.startswith("The disk is full: ") and outcome.line.endswith("Make room, then retrain.")


def test_a_database_that_does_not_answer_is_away() -> None:
    outcome = unread(StoreUnusable("it does not answer"))

    assert outcome.reason == Failure.DATABASE_UNAVAILABLE
    assert outcome.line.endswith("Retrain once the database is back.")
