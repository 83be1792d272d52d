"""Looks at the trial now and then, and says so where it is otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from models.printable import logger
from studio.errors import StudioRefused
from studio.shelf.trials import Trials
from studio.web.blocking import Threads

_LOGGER = logger(__name__)
_SECONDS = 2.0
"""As often as the stream writes down what it has gathered."""


class TrialWatch:
    """For the event loop's thread, but for `number`.

    Args:
        trials: that are looked at.
        tell: is told each change, as of `Trials.now`, and at the beginning.
        threads: that look.
    """

    def __init__(self, trials: Trials, tell: Callable[[Mapping[str, Any]], None], threads: Threads) -> None:
        self._trials = trials
        self._tell = tell
        self._threads = threads
        self._told: Mapping[str, Any] = {}
        self._woken = asyncio.Event()

    @property
    def number(self) -> int:
        """Of the trial that is under way, as far as it was looked at; 0 where none is. Any thread may ask."""
        told = self._told
        return int(told["number"]) if told.get("state") == "running" else 0

    def wake(self) -> None:
        """It may be otherwise now."""
        self._woken.set()

    async def keep_looking(self) -> None:
        """For ever."""
        while True:
            self._woken.clear()
            try:
                now = await self._threads.do(self._trials.now)
            except StudioRefused as error:
                _LOGGER.debug("the trial is looked at again later: %s", error)
            else:
                if now != self._told:
                    self._told = now
                    self._tell(now)
            try:
                async with asyncio.timeout(_SECONDS):
                    await self._woken.wait()
            except TimeoutError:
                continue
