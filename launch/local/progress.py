"""How a local run tells its user what it is doing: plain lines, or a small panel on a terminal."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from beam_pipeline.books import Books
from launch.local.result_stream import Pace
from launch.local.shared_console import SharedConsole, strays_on
from models.reference import StatedTrial
from models.trials.words import percent

LINE_SECONDS = 2.0
PANEL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Moment:
    """What there is to tell at one moment.

    Attributes:
        books: what became of the messages.
        model_id: of the live model; "" while there is none.
        model_seconds: how long it has been live.
        events: how many of each kind of model event there were.
        waiting_for: what the run waits for before it reads; "" once it reads.
        trial: of a new model, that is under way; None while there is none.
    """

    books: Books
    model_id: str
    model_seconds: float
    events: Counter[str]
    waiting_for: str = ""
    trial: StatedTrial | None = None

    @property
    def swaps(self) -> int:
        """How often a model took over from another."""
        return max(0, self.events["live"] - 1)


Report = Callable[[Moment], None]


@contextlib.contextmanager
def progress(pace: Pace, console: SharedConsole, panel: bool) -> Iterator[Report]:
    """Yields the function that tells a moment, as often as it likes to be called, by one thread.

    Args:
        pace: what the results tell.
        console: where to tell it. While there is a panel, what Python prints to either standard stream goes there too.
        panel: whether as a panel, whose last state stays.
    """
    if not panel:
        yield _Lines(pace, console)
        return
    live = Live(console=console, auto_refresh=False, vertical_overflow="crop")
    shown = _Panel(pace, live)
    with strays_on(console):
        with console:
            live.start()
        try:
            yield shown
        finally:
            with console:
                shown.draw()
                live.stop()


class _Rate:
    """Results a second, over the time between two tellings."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._last = (time.monotonic(), 0)
        self.started = self._last[0]

    def due(self, results: int) -> float | None:
        now = time.monotonic()
        seconds = now - self._last[0]
        if seconds < self._every:
            return None
        rate = (results - self._last[1]) / seconds
        self._last = (now, results)
        return rate


class _Lines:
    def __init__(self, pace: Pace, console: Console) -> None:
        self._pace = pace
        self._console = console
        self._rate = _Rate(LINE_SECONDS)
        self._said = ""

    def __call__(self, moment: Moment) -> None:
        rate = self._rate.due(moment.books.results)
        if rate is None:
            return
        said = moment.waiting_for or ", ".join(self._parts(moment, rate))
        if said != self._said:
            seconds = time.monotonic() - self._rate.started
            self._console.print(f"{seconds:6.1f} s  {said}", highlight=False, soft_wrap=True, markup=False)
        self._said = said

    def _parts(self, moment: Moment, rate: float) -> Iterator[str]:
        """What there is to say, in one line of a terminal; nothing of what has not happened."""
        yield f"{moment.books.results} results ({rate:.0f}/s)"
        yield f"p50 {self._pace.percentile(50):.2f} s, p99 {self._pace.percentile(99):.2f} s"
        yield f"model {_short(moment.model_id)}"
        if moment.trial is not None:
            yield f"on trial {_trial(moment.trial)}"
        happened = {
            "dead letters": moment.books.dead_letters,
            "swaps": moment.swaps,
            "rejected": moment.events["rejected"],
        }
        for what, times in happened.items():
            if times:
                yield f"{times} {what}"


class _Panel:
    def __init__(self, pace: Pace, live: Live) -> None:
        self._pace = pace
        self._live = live
        self._rate = _Rate(PANEL_SECONDS)
        self._shown_rate = 0.0
        self._moment: Moment | None = None

    def __call__(self, moment: Moment) -> None:
        self._moment = moment
        rate = self._rate.due(moment.books.results)
        if rate is not None:
            self._shown_rate = rate
            self.draw()

    def draw(self) -> None:
        """Shows the last moment."""
        moment = self._moment
        if moment is None:
            return
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis")
        rows = {
            "images": f"{moment.books.results} results, {self._shown_rate:.0f}/s, {moment.books.open} in flight",
            "until predicted": f"p50 {self._pace.percentile(50):.2f} s, p99 {self._pace.percentile(99):.2f} s",
            "live model": f"{_short(moment.model_id)}, for {moment.model_seconds:.0f} s"
            if moment.model_id
            else moment.waiting_for or "none",
            "on trial": _trial(moment.trial) if moment.trial is not None else "none",
            "swaps": str(moment.swaps),
            "rejected": f"{moment.events['rejected']} models",
            "dead letters": str(moment.books.dead_letters),
        }
        for name, value in rows.items():
            table.add_row(f"[bold]{name}[/bold]", escape(value))
        with self._live.console:  # before the Live's own lock, as everyone who prints
            self._live.update(Panel(table, title="hotswap local", expand=False), refresh=True)


def _trial(trial: StatedTrial) -> str:
    """Which model is tried, and on how much, such as `birds.h5@sha256:0123456789ab (canary 5%)`."""
    return f"{_short(trial.new.model_id)} ({trial.mode} {percent(trial.share)})"


def _short(model_id: str) -> str:
    """A model id without its folder."""
    return model_id.rpartition("/")[2] or "none"
