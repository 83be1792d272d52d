"""Watches a pattern of model files from a thread of its own, and moves its pointer to the one that should be live."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from models.catalogue import Catalogue
from models.events import EventLog
from models.judging import VETTING_SIDE_BY_SIDE, Judging
from models.lookout import Lookout
from models.printable import logger
from models.reference import Statement
from models.registry.registry import Registry
from models.storage import Storage
from models.trials.conduct import Conduct
from models.trials.terms import NO_TRIALS, TrialTerms
from models.vetting import Vetter

_LOGGER = logger(__name__)

_MOST_DOUBLINGS = 3
"""Of the time until the next look, while the storage fails."""
_LONGEST_CLOSE_SECONDS = 5.0
SHORTEST_REST = 0.02
_POLLS_UNASKED = 3
"""After so many, one watch of many looks no more: somebody else is asked."""


class ModelWatch:
    """Looks at a pattern every few seconds, and has new files vetted.

    Nobody waits for it: `statement` is always the latest finished thought. What other processes found out is taken over
    from the registry.

    Args:
        storage: lists the model files.
        vetter: vets them.
        registry: of their pattern: where verdicts and the pointer are kept.
        events: where acceptances and rejections are told.
        poll_seconds: between two listings.
        clock: wall-clock seconds; the clock of the files' modification times.
        alone: whether this is the one process of its run: it looks without being asked, and tells what is known from
            before too.
        adopts: whether what the pointer states counts before its file has been seen.
        trials: on which terms new models are tried.
    """

    def __init__(
        self,
        storage: Storage,
        vetter: Vetter,
        registry: Registry,
        events: EventLog,
        poll_seconds: float,
        clock: Callable[[], float] = time.time,
        alone: bool = True,
        adopts: bool = False,
        trials: TrialTerms = NO_TRIALS,
    ) -> None:
        self._vetter = vetter
        self._registry = registry
        self._poll_seconds = poll_seconds
        self._alone = alone
        self._clock = clock
        catalogue = Catalogue()
        self._pool = ThreadPoolExecutor(VETTING_SIDE_BY_SIDE, thread_name_prefix="vetting")
        self._judging = Judging(
            catalogue, registry, vetter, events, poll_seconds, alone, self._pool.submit, self._look_soon
        )
        conduct = Conduct(registry, catalogue, events, trials)
        self._lookout = Lookout(storage, registry, catalogue, self._judging, conduct, adopts)
        self._changed = threading.Condition()
        self._news = False
        self._closed = False
        self._asked = time.monotonic()
        self._looks_begun = self._looks_ended = 0
        self._thread = threading.Thread(target=self._run, name=f"watch {registry.pattern}", daemon=True)
        self._thread.start()

    @property
    def statement(self) -> Statement | None:
        """What the pointer states; None before there is a valid model."""
        return self._lookout.statement

    def fresh_statement(self, seconds: float) -> Statement | None:
        """What the pointer states after a look that begins now; the latest thought where that takes longer."""
        with self._changed:
            wanted = self._looks_begun + 1
            self._asked = time.monotonic()
            self._news = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._looks_ended >= wanted or self._closed, seconds)
            return self.statement

    def wait_for_statement(self) -> Statement | None:
        """What the pointer states, as soon as it states a model; None if the watch is closed first."""
        with self._changed:
            self._changed.wait_for(lambda: self.statement or self._closed)
            return self.statement

    def remember(self, statement: Statement) -> None:
        """Takes in what was stated elsewhere, by a pointer that the registry may have lost meanwhile."""
        self._registry.live.remember(statement)
        with self._changed:
            self._asked = time.monotonic()
        self._look_soon()

    def stop_waiting(self) -> None:
        """Begins to close: who waits for a statement is let go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def close(self) -> None:
        """Stops watching and vetting."""
        self.stop_waiting()
        self._judging.close()
        self._vetter.close()
        self._thread.join(_LONGEST_CLOSE_SECONDS)  # it may wait for a storage, and is left to it then
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._registry.close()

    def _look_soon(self) -> None:
        with self._changed:
            self._news = True
            self._changed.notify_all()

    def _run(self) -> None:
        while not self._closed:
            began = time.monotonic()
            with self._changed:
                self._looks_begun += 1
                self._news = False
            try:
                self._look()
            except Exception:
                _LOGGER.exception("watching %s: going on after an unexpected error", self._registry.pattern)
            with self._changed:
                self._looks_ended = self._looks_begun
                self._changed.notify_all()
            self._rest(began + self._poll_seconds * 2 ** min(self._lookout.failures, _MOST_DOUBLINGS))

    def _look(self) -> None:
        if self._lookout.look(self._clock):
            self._look_soon()
        if not self._lookout.failures:
            self._judging.begin(self._clock())
        self._vetter.tidy()

    def _rest(self, next_poll: float) -> None:
        """Until the next poll; while the storage answers, also until there is news, or time alone changes things."""
        with self._changed:
            while not self._closed and (pause := next_poll - time.monotonic()) > 0:
                if not self._lookout.failures:
                    if self._news:
                        break
                    now = self._clock()
                    if (change := self._lookout.next_change(now)) is not None:
                        pause = min(pause, change - now)
                if not self._changed.wait(max(SHORTEST_REST, pause)):
                    break
            self._changed.wait_for(lambda: self._closed or self._is_needed())

    def _is_needed(self) -> bool:
        """Whether anybody asks, or something is under way that only further looks bring to an end."""
        asked = time.monotonic() - self._asked < _POLLS_UNASKED * self._poll_seconds
        return self._alone or asked or self._news or self._judging.under_way
