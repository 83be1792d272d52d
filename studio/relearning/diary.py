"""The runs that the studio's database remembers."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Any, cast, get_args

from databases.errors import StoreUnusable
from models.printable import logger
from studio.relearning.outcomes import Failure, Outcome, finished
from studio.relearning.state import RetrainingState, Word
from studio.store.corrections import Corrections

_LOGGER = logger(__name__)


class Diary:
    """Writes down when a run begins and what came of it; what a database that is gone was not told, it is told later.

    Args:
        corrections: whose database it is.
    """

    def __init__(self, corrections: Corrections) -> None:
        self._corrections = corrections
        self._owed: dict[int, Outcome] = {}
        self._turn = threading.Lock()

    @property
    def is_told(self) -> bool:
        """Whether the database knows the end of every run."""
        return not self._owed

    def begin(self, pipeline: str) -> int:
        """The number of a run that begins.

        Raises:
            StoreUnusable: the database does not answer.
        """
        return self._corrections.begin_run(pipeline)

    def end(self, number: int, outcome: Outcome) -> None:
        """What came of a run, now or as soon as `tell` is called and the database answers."""
        self._owed[number] = outcome
        self.tell()

    def tell(self) -> None:
        """Tells the database what it does not know yet, if it answers."""
        with self._turn:
            try:
                for number, each in list(self._owed.items()):
                    self._corrections.end_run(number, each.state, str(each.reason), each.detail, each.model_id)
                    del self._owed[number]
            except StoreUnusable as trouble:
                _LOGGER.warning("the end of a run is not written down yet: %s", trouble)

    def last(self) -> RetrainingState | None:
        """What came of the last run; None where there was none, or the database does not answer.

        One that never ended was killed with its studio; that is written down.
        """
        try:
            runs = self._corrections.runs(1)
        except StoreUnusable as trouble:
            _LOGGER.warning("what came of the last retraining is not known: %s", trouble)
            return None
        if not runs:
            return None
        [run] = runs
        if run.ended is None or run.state not in get_args(Word):
            outcome = Outcome("failed", Failure.KILLED)
            self.end(run.number, outcome)
            return finished(run.pipeline, outcome, 0.0)
        seconds = (datetime.fromisoformat(run.ended) - datetime.fromisoformat(run.started)).total_seconds()
        state = cast(Any, run.state)
        return finished(run.pipeline, Outcome(state, run.reason, run.detail, run.model_id), round(seconds, 1))
