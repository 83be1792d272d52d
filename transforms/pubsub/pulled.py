"""Messages of a subscription that a process pulls by itself, held until they are taken."""

from __future__ import annotations

import contextlib
import queue
import threading

from transforms.pubsub.subscriber import Received, Subscriber

_MOST_HELD = 10_000
_LOOK_SECONDS = 0.1
_IDLE_SECONDS = 0.25


class Pulled:
    """Pulls from a thread of its own, from the start until it is closed; while 10,000 are held it pulls no more.

    A message is acknowledged once it is held: those that nobody takes are lost.

    Args:
        subscription: `projects/P/subscriptions/S`; one that is gone is waited for.
    """

    def __init__(self, subscription: str) -> None:
        self._held: queue.Queue[Received] = queue.Queue(_MOST_HELD)
        self._closing = threading.Event()
        self._subscriber = Subscriber(subscription, None, self._hold, _IDLE_SECONDS)

    def take(self) -> list[Received]:
        """All that is held, which is held no longer."""
        taken = []
        while True:
            try:
                taken.append(self._held.get_nowait())
            except queue.Empty:
                return taken

    def close(self) -> None:
        """Pulls no more."""
        self._closing.set()
        self._subscriber.close()

    def _hold(self, received: Received) -> None:
        is_held = False
        while not is_held and not self._closing.is_set():
            with contextlib.suppress(queue.Full):
                self._held.put(received, timeout=_LOOK_SECONDS)
                is_held = True
