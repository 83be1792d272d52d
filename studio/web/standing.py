"""How things stand, as every page shows it; of the database what was last heard, so that nobody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count as numbers
from typing import Protocol

from databases.errors import StoreUnusable
from models.troubles import Troubles
from studio.relearning.state import RetrainingState
from studio.store.corrections import Counts
from studio.stream.state import StreamState
from studio.web.blocking import DatabaseThreads

DATABASE = "database"
"""The trouble that corrections cannot be kept."""
_COUNT_SECONDS = 2.0
_ANSWER_SECONDS = 3.0
_TELL_SECONDS = 0.2
"""Between two tellings: five a second at most."""
_LOOK_SECONDS = 1.0
"""After which it is looked at anew, though nobody said that anything changed."""


class Streaming(Protocol):
    """Of the stream, how it is."""

    @property
    def state(self) -> StreamState:
        """At this moment."""


class Relearning(Protocol):
    """Of retraining, how it is."""

    @property
    def state(self) -> RetrainingState:
        """At this moment."""


@dataclass(frozen=True, slots=True)
class Counted:
    """How many corrections there were.

    Attributes:
        number: of the question; of two, the one that was begun later has the larger, whichever is answered first.
        counts: the answer.
    """

    number: int
    counts: Counts


class Standing:
    """What a page's header, counters and troubles show.

    Args:
        stream: what answers.
        retraining: what learns.
        count: asks the database for what is kept.
        retrain_after: as it is told to pages.
        troubles: what does not work; of the database it is said here.
    """

    def __init__(
        self,
        stream: Streaming,
        retraining: Relearning,
        count: Callable[[], Counts],
        retrain_after: int,
        troubles: Troubles,
    ) -> None:
        self._stream = stream
        self._retraining = retraining
        self._count = count
        self._retrain_after = retrain_after
        self._troubles = troubles
        self._counts: Counts | None = None
        self._numbers = numbers(1)
        self._latest = 0
        self._counting = asyncio.Event()
        self._telling = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def now(self) -> dict[str, object]:
        """JSON of it."""
        stream = self._stream.state
        return {
            "stream": {"state": stream.word, "detail": stream.detail},
            "live": None if stream.live is None else asdict(stream.live),
            "swaps": stream.swaps,
            "results": stream.results,
            "dead_letters": stream.dead_letters,
            "retraining": asdict(self._retraining.state),
            "corrections": None if self._counts is None else counts_told(self._counts, self._retrain_after),
            "troubles": [{"what": what, "line": line} for what, line in self._troubles.now.items()],
        }

    def changed(self) -> None:
        """Something is otherwise. Any thread may say so."""
        self._from_any_thread(self._telling.set)

    def recount(self) -> None:
        """So are, perhaps, the corrections. Any thread may say so."""
        self._from_any_thread(self._counting.set)
        self.changed()

    def count(self) -> Counted:
        """Asks the database now; it may take its time. Any thread may ask.

        Raises:
            StoreUnusable: it does not answer.
        """
        return Counted(next(self._numbers), self._count())

    def take(self, counted: Counted) -> None:
        """The database was asked, and says this; nothing where it was asked later and has answered that already."""
        if counted.number < self._latest:
            return
        self._latest, self._counts = counted.number, counted.counts
        self._troubles.end(DATABASE, "corrections are kept again")
        self._telling.set()

    async def keep_counting(self) -> None:
        """Asks the database now and then, for ever."""
        threads = DatabaseThreads(1, 0, _ANSWER_SECONDS)
        while True:
            try:
                self.take(await threads.ask(self.count))
            except StoreUnusable as error:
                self._counts = None
                self._troubles.begin(DATABASE, f"corrections cannot be kept: {error}")
                self._telling.set()
            await _set_within(self._counting, _COUNT_SECONDS)

    async def keep_telling(self, tell: Callable[[Mapping[str, object]], None]) -> None:
        """Tells of it whenever it may be otherwise, for ever, five times a second at most."""
        while True:
            tell(self.now())
            await asyncio.sleep(_TELL_SECONDS)
            await _set_within(self._telling, _LOOK_SECONDS)

    def _from_any_thread(self, call: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(call)


def counts_told(counts: Counts, retrain_after: int) -> dict[str, object]:
    """JSON of how many corrections there are."""
    return asdict(counts) | {"retrain_after": retrain_after}


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
    event.clear()
