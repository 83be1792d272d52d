"""How often tokens may be tried: guessing them must not be quick, whoever guesses and from however many places."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

_SECONDS = 60.0
_OF_ONE = 10
_OF_ALL = 100
_MOST_CLIENTS = 4096


class Guesses:
    """Wrong tokens of the last minute. Any thread may use it.

    Args:
        of_one: that one client may give in a minute.
        of_all: that all of them may.
        stopwatch: seconds that only grow.
    """

    def __init__(
        self, of_one: int = _OF_ONE, of_all: int = _OF_ALL, stopwatch: Callable[[], float] = time.monotonic
    ) -> None:
        self._of_one = of_one
        self._stopwatch = stopwatch
        self._lock = threading.Lock()
        self._all: deque[float] = deque(maxlen=of_all)
        self._clients: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, client: str) -> float:
        """Seconds until a client may try again; 0.0 where it may now.

        Args:
            client: its address; of IPv6 the network counts, as one has many addresses in it.
        """
        now = self._stopwatch()
        with self._lock:
            of_it = self._clients.get(_network(client))
            return max(_left(self._all, now), 0.0 if of_it is None else _left(of_it, now))

    def was_wrong(self, client: str) -> None:
        """Counts a token that was none."""
        now = self._stopwatch()
        with self._lock:
            self._all.append(now)
            of_it = self._clients.setdefault(_network(client), deque(maxlen=self._of_one))
            of_it.append(now)
            self._clients.move_to_end(_network(client))
            if len(self._clients) > _MOST_CLIENTS:
                self._clients.popitem(last=False)


def _left(times: deque[float], now: float) -> float:
    """Until the oldest of as many as may be is more than a minute ago."""
    return max(0.0, times[0] + _SECONDS - now) if len(times) == times.maxlen else 0.0


def _network(client: str) -> str:
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else client
