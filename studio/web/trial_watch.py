"""Looks at the trial now and then, and says so where it is otherwise."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Any

from models.printable import logger
from studio.errors import StudioRefused
from studio.shelf.trials import Trials
from studio.web.blocking import Threads

_LOGGER = logger(__name__)
_LOOK_SECONDS = 5.0
"""Between two looks, and between two tellings of mere figures: each look judges all that was gathered."""
_GLANCE_SECONDS = 1.0
"""After which it is known that somebody looks now."""
_LOOKED_AT = ("state", "number", "step")
"""What is told at once where it is otherwise."""


class TrialWatch:
    """For the event loop's thread, but for `number`.

    The registry is looked at when it begins, when it is woken, and every few seconds while somebody sees what is told
    or a trial is under way.

    Args:
        trials: that are looked at.
        tell: is told each change, as of `Trials.now`, and at the beginning.
        threads: that look.
        is_seen: whether anybody sees what is told; quick.
        look_seconds: between two looks.
    """

    def __init__(
        self,
        trials: Trials,
        tell: Callable[[Mapping[str, Any]], None],
        threads: Threads,
        is_seen: Callable[[], bool],
        look_seconds: float = _LOOK_SECONDS,
    ) -> None:
        self._trials = trials
        self._tell = tell
        self._threads = threads
        self._is_seen = is_seen
        self._look_seconds = look_seconds
        self._known: Mapping[str, Any] = {}
        self._told: Mapping[str, Any] = {}
        self._told_at = -math.inf
        self._woken = asyncio.Event()

    @property
    def number(self) -> int:
        """Of the trial that is under way, as far as it was looked at; 0 where none is. Any thread may ask."""
        known = self._known
        return int(known["number"]) if known.get("state") == "running" else 0

    def wake(self) -> None:
        """It may be otherwise now."""
        self._woken.set()

    async def keep_looking(self) -> None:
        """For ever."""
        while True:
            self._woken.clear()
            try:
                self._known = await self._threads.do(self._trials.now)
            except StudioRefused as error:
                _LOGGER.debug("the trial is looked at again later: %s", error)
            else:
                self._tell_of(self._known)
            await self._until_next_look()

    def _tell_of(self, now: Mapping[str, Any]) -> None:
        time = asyncio.get_running_loop().time()
        is_news = any(now.get(each) != self._told.get(each) for each in _LOOKED_AT)
        if is_news or (now != self._told and time - self._told_at >= self._look_seconds):
            self._told, self._told_at = now, time
            self._tell(now)

    async def _until_next_look(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._look_seconds
        while not self._woken.is_set():
            left = until - loop.time()
            if left <= 0 and (self.number or self._is_seen()):
                return
            try:
                async with asyncio.timeout(left if left > 0 else _GLANCE_SECONDS):
                    await self._woken.wait()
            except TimeoutError:
                continue
