"""Ends whatever uses a database in the middle: before a statement or a commit; or lets somebody else be faster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

from fleet.store.database import Database
from fleet.twin_store import SqlTwins
from models.components.twin import DesiredModel, Twin


class Interrupted(BaseException):
    """What a power cut is to a process: nothing catches it."""


class Interruption:
    """Counts places in which a process may end, and ends it at one of them.

    Attributes:
        left: places to pass before the end; None: it never ends.
        passed: places that were passed.
    """

    def __init__(self, left: int | None = None) -> None:
        self.left = left
        self.passed = 0

    def place(self, *_: Any, **__: Any) -> None:
        """One of these places.

        Raises:
            Interrupted: this is the one.
        """
        if self.left is not None:
            if self.left == 0:
                raise Interrupted
            self.left -= 1
        self.passed += 1


@contextmanager
def interrupted(left: int | None) -> Iterator[Interruption]:
    """While the block runs, all databases of this process are such places. What was begun is rolled back."""
    interruption = Interruption(left)
    for name in ("before_cursor_execute", "commit"):
        event.listen(Engine, name, interruption.place)
    try:
        yield interruption
    finally:
        for name in ("before_cursor_execute", "commit"):
            event.remove(Engine, name, interruption.place)


def overtaken(between: Callable[[], object], *, early: bool = False) -> Callable[[Database], SqlTwins]:
    """Twins that somebody else works on after they were read and before they are written.

    Args:
        between: what somebody else does, once.
        early: it happens as soon as they were read, not just before the first is written.
    """

    class Overtaken(SqlTwins):
        waiting = True

        def devices(self) -> Iterator[Twin]:
            twins = super().devices()
            if early:
                self._overtake()
            return twins

        def write_desired(self, device: str, models: tuple[DesiredModel, ...], etag: str) -> Twin:
            self._overtake()
            return super().write_desired(device, models, etag)

        def _overtake(self) -> None:
            if self.waiting:
                self.waiting = False
                between()

    return Overtaken
