"""What a server does again and again: rollouts go on, twins are written, and it is written when devices were seen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from concurrent.futures import Executor
from contextlib import suppress

from fleet.errors import FleetError, StoreUnusable
from fleet.fleet import Fleet
from fleet.rollouts import Rollout
from models.printable import logger
from models.troubles import Troubles

_LOGGER = logger(__name__)

_TOLD_ROUNDS = 5
"""Rounds between two looks at how running rollouts do, where nothing was written."""
_DATABASE = "database"


class Rounds:
    """Takes a fleet on. `once` is one thread's at a time.

    Args:
        fleet: whose devices are told.
        say: is told a line whenever a rollout has come further.
        troubles: is told what does not work.
    """

    def __init__(self, fleet: Fleet, say: Callable[[str], None], troubles: Troubles) -> None:
        self._fleet = fleet
        self._say = say
        self._troubles = troubles
        self._told: dict[tuple[str, str | None], str] | None = None
        self._until_look = 0

    def once(self, seen: Collection[str], now: float | None = None) -> None:
        """One round. Trouble with the database is told once, and changes nothing.

        Args:
            seen: devices that asked since the round before.
            now: wall-clock seconds; as the fleet's clock says where None.
        """
        try:
            self._fleet.devices.seen(*seen)
            written = self._fleet.advance(now)
            self._until_look -= 1
            if written or self._until_look <= 0:
                self._until_look = _TOLD_ROUNDS
                self._tell()
        except (FleetError, StoreUnusable) as error:
            self._troubles.begin(_DATABASE, str(error))
        else:
            self._troubles.end(_DATABASE, "the fleet's database answers again")

    async def forever(self, seen: Callable[[], Collection[str]], seconds: float, threads: Executor) -> None:
        """A round every so many seconds, until it is cancelled.

        Args:
            seen: answers the devices that asked since it was called last.
            seconds: between two rounds.
            threads: that rounds are made in.
        """
        loop = asyncio.get_running_loop()
        while True:
            try:
                await loop.run_in_executor(threads, self.once, seen())
            except Exception:
                _LOGGER.exception("rollouts go on after an unexpected error")
            await asyncio.sleep(seconds)

    def seen_at_last(self, seen: Collection[str]) -> None:
        """Notes who asked since the last round; it is written when the fleet is closed."""
        with suppress(FleetError, StoreUnusable):
            self._fleet.devices.seen(*seen)

    def _tell(self) -> None:
        """Says of each rollout that counts now how far it is, where that is news; of those of earlier runs nothing."""
        told = {}
        for status in self._fleet.rollouts.status():
            rollout = status.rollout
            told[rollout.name, rollout.group] = _line(rollout, status.reached, status.followers)
        for subject, line in told.items():
            if self._told is not None and self._told.get(subject) != line:
                self._say(line)
        self._told = told


def _line(rollout: Rollout, reached: int, followers: int) -> str:
    devices = f"{reached} of {followers} device{'' if followers == 1 else 's'}"
    of = f" in group {rollout.group}" if rollout.group else ""
    match rollout.state:
        case "halted":
            return f"halted: rollout of {rollout.title}{of} at {devices}: {rollout.note}"
        case "done":
            return f"rollout of {rollout.title}{of}: {devices}, done"
        case _:
            note = f"; {rollout.note}" if rollout.note else ""
            return f"rollout of {rollout.title}{of}: {devices}{note}"
