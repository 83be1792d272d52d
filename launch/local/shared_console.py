"""The one console of a local run, which all its threads print on, and C++ libraries past Python."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Any, Self

from launch.printing import PlainConsole

_STRAYS_SECONDS = 1.0
_STANDARD_ERROR = 2


class SharedConsole(PlainConsole):
    """A console that many threads print on while a panel stands below, each print whole before the next begins.

    A plain one counts the lines to go up before it waits for its turn to write: by then the panel may be another, and
    an edge of the old one stays behind. The cursor is never hidden, so that no way to end has to bring it back.
    """

    def __init__(self, **settings: Any) -> None:
        self._turn = threading.RLock()
        super().__init__(**settings)

    def __enter__(self) -> Self:
        self._turn.acquire()
        super().__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        try:
            super().__exit__(*raised)
        finally:
            self._turn.release()

    def print(self, *objects: Any, **settings: Any) -> None:
        with self:
            super().print(*objects, **settings)

    def show_cursor(self, show: bool = True) -> bool:
        return False

    @property
    def takes_panel(self) -> bool:
        """Whether lines can be taken back here."""
        return self.is_terminal and not self.is_dumb_terminal


@contextlib.contextmanager
def strays_on(console: SharedConsole) -> Iterator[None]:
    """Prints on `console` what is written to the descriptor of standard error, as C++ libraries do, past Python.

    The last words of a process that dies at once, by a fault in such a library, are lost.
    """
    before = console.file
    try:
        is_standard_error = before.fileno() == _STANDARD_ERROR
    except OSError:
        is_standard_error = False
    if not is_standard_error:
        yield
        return
    before.flush()
    terminal = os.fdopen(os.dup(_STANDARD_ERROR), "w", encoding="utf-8", errors="replace")
    reading, writing = os.pipe()
    os.dup2(writing, _STANDARD_ERROR)
    os.close(writing)
    console.file = terminal

    def pass_on() -> None:
        with open(reading, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                console.print(line.rstrip("\n"), highlight=False, markup=False)

    thread = threading.Thread(target=pass_on, name="stray lines", daemon=True)
    thread.start()
    try:
        yield
    finally:
        os.dup2(terminal.fileno(), _STANDARD_ERROR)
        thread.join(_STRAYS_SECONDS)  # a process that was started meanwhile may hold the other end
        with console:
            console.file = before
        terminal.close()
