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

from beam_pipeline.running import Books
from launch.local.result_stream import Pace

LINE_SECONDS = 2.0
_PANEL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Moment:
    """What there is to tell at one moment.

    Attributes:
        books: what became of the messages.
        model_id: of the live model; "" while there is none.
        model_seconds: how long it has been live.
        events: how many of each kind of model event there were.
        waiting_for: what the run waits for before it reads; "" once it reads.
    """

    books: Books
    model_id: str
    model_seconds: float
    events: Counter[str]
    waiting_for: str = ""

    @property
    def swaps(self) -> int:
        """How often a model took over from another."""
        return max(0, self.events["live"] - 1)


Report = Callable[[Moment], None]


@contextlib.contextmanager
def progress(pace: Pace, console: Console) -> Iterator[Report]:
    """Yields the function that tells a moment, as often as it likes to be called."""
    if console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            yield _Panel(pace, live)
    else:
        yield _Lines(pace, console)


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
        said = moment.waiting_for or (
            f"{moment.books.results} results ({rate:.0f}/s), {moment.books.dead_letters} dead letters, "
            f"p50 {self._pace.percentile(50):.2f} s, p99 {self._pace.percentile(99):.2f} s, "
            f"model {_short(moment.model_id)}, {moment.swaps} swaps, {moment.events['rejected']} rejected"
        )
        if said != self._said:
            seconds = time.monotonic() - self._rate.started
            self._console.print(f"{seconds:6.1f} s  {said}", highlight=False, soft_wrap=True, markup=False)
        self._said = said


class _Panel:
    def __init__(self, pace: Pace, live: Live) -> None:
        self._pace = pace
        self._live = live
        self._rate = _Rate(_PANEL_SECONDS)

    def __call__(self, moment: Moment) -> None:
        rate = self._rate.due(moment.books.results)
        if rate is None:
            return
        table = Table.grid(padding=(0, 2))
        rows = {
            "images": f"{moment.books.results} results, {rate:.0f}/s, {moment.books.open} in flight",
            "latency": f"p50 {self._pace.percentile(50):.2f} s, p99 {self._pace.percentile(99):.2f} s",
            "live model": f"{_short(moment.model_id)}, for {moment.model_seconds:.0f} s"
            if moment.model_id
            else moment.waiting_for,
            "swaps": str(moment.swaps),
            "rejected": f"{moment.events['rejected']} models",
            "dead letters": str(moment.books.dead_letters),
        }
        for name, value in rows.items():
            table.add_row(f"[bold]{name}[/bold]", escape(value))
        self._live.update(Panel(table, title="hotswap local", expand=False), refresh=True)


def _short(model_id: str) -> str:
    """A model id without its folder."""
    return model_id.rpartition("/")[2] or "none"
