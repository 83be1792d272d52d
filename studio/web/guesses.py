"""How often wrong tokens are answered as such. Whoever has a right one is let in whatever others try.

What makes guessing hopeless is the length of tokens, of which `serving.access` sees to it.
"""

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

    def was_wrong(self, client: str) -> float:
        """Counts a token that was none; seconds until the client hears that of another one, 0.0 where it hears it now.

        One that is not heard of is not counted: the wait ends, however often somebody tries meanwhile.

        Args:
            client: its address; of IPv6 the network counts, as one has many addresses in it.
        """
        now, network = self._stopwatch(), _network(client)
        with self._lock:
            of_it = self._clients.setdefault(network, deque(maxlen=self._of_one))
            self._clients.move_to_end(network)
            if len(self._clients) > _MOST_CLIENTS:
                self._clients.popitem(last=False)
            if waits := max(_left(self._all, now), _left(of_it, now)):
                return waits
            self._all.append(now)
            of_it.append(now)
            return 0.0


def _left(times: deque[float], now: float) -> float:
    """Until the oldest of as many as may be is more than a minute ago."""
    return max(0.0, times[0] + _SECONDS - now) if len(times) == times.maxlen else 0.0


def _network(client: str) -> str:
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else client
