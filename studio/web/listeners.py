"""Those who listen to events: each gets what happens, and one that reads slowly makes nobody wait and nothing grow."""

from __future__ import annotations

import asyncio
from collections import deque

from studio.errors import StudioRefused, Trouble
from studio.web.written import as_json

STATE = "state"
SECOND = "second"
MODEL_EVENT = "model_event"
DEAD_LETTER = "dead_letter"
TRIAL = "trial"
_MOST_WAITING = 64
"""Events of one listener; the oldest are dropped, as the page asks for all of them where it begins."""
_MOST_LISTENERS = 1000
_MOST_OF_ONE = 250
"""Of one browser: each page that is open listens once."""
_MOST_OF_ADDRESS = 500
"""Of one address, which may be that of a proxy for many: whoever makes himself many browsers leaves room for others."""


class Listening:
    """What one is still to be told, encoded as an event stream, piece by piece; it ends with the studio.

    Args:
        all_: who listens; this one among them until it leaves.
        browser: that listens.
        address: from which it does.
    """

    def __init__(self, all_: Listeners, browser: str, address: str) -> None:
        self._all = all_
        self.browser = browser
        self.address = address
        self.state: bytes | None = None
        self.events: deque[bytes] = deque(maxlen=_MOST_WAITING)
        self.woken = asyncio.Event()

    def __aiter__(self) -> Listening:
        return self

    async def __anext__(self) -> bytes:
        while not self._all.is_closed:
            await self.woken.wait()
            if told := self._take():
                return told
        self.leave()
        raise StopAsyncIteration

    def leave(self) -> None:
        """Listens no more, and gives its place to another; also where it was never read."""
        self._all.forget(self)

    def _take(self) -> bytes:
        """All of it, in one piece."""
        parts = [] if self.state is None else [self.state]
        parts.extend(self.events)
        self.state = None
        self.events.clear()
        self.woken.clear()
        return b"".join(parts)


class Listeners:
    """All of them. For the event loop's thread alone."""

    def __init__(self) -> None:
        self._all: set[Listening] = set()
        self._state = b""
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._all)

    @property
    def is_closed(self) -> bool:
        """Whether nobody is told anything any more."""
        return self._is_closed

    def tell(self, name: str, record: object) -> None:
        """Tells everybody what happened.

        Args:
            name: of the event.
            record: as of `as_json`.
        """
        event = _encoded(name, record)
        for each in self._all:
            each.events.append(event)
            each.woken.set()

    def tell_state(self, state: object) -> None:
        """Tells everybody how things stand, and those who come later; nothing where that is told already."""
        event = _encoded(STATE, state)
        if event == self._state:
            return
        self._state = event
        for each in self._all:
            each.state = event
            each.woken.set()

    def listen(self, browser: str, address: str = "") -> Listening:
        """What happens from now on; it begins with the state. Whoever listens must leave.

        Args:
            browser: that listens.
            address: from which it does.

        Raises:
            StudioRefused: `TOO_OFTEN`: it does so many times already, or too many others do.
        """
        of_browser = sum(each.browser == browser for each in self._all)
        of_address = sum(each.address == address for each in self._all)
        if len(self._all) >= _MOST_LISTENERS or of_browser >= _MOST_OF_ONE or of_address >= _MOST_OF_ADDRESS:
            raise StudioRefused(Trouble.TOO_OFTEN, "too many pages are open; close some, and reload this one")
        listener = Listening(self, browser, address)
        if self._state:
            listener.state = self._state
            listener.woken.set()
        self._all.add(listener)
        return listener

    def forget(self, listener: Listening) -> None:
        """One has left; harmless when repeated."""
        self._all.discard(listener)

    def close(self) -> None:
        """Ends all event streams, and those that are yet to begin."""
        self._is_closed = True
        for each in self._all:
            each.woken.set()


def _encoded(name: str, record: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), as_json(record))
