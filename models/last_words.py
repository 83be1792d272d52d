"""What a process that ended leaves of itself: how it ended, and the last that it said."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import IO

from models.errors import one_line
from models.memory import says_out_of_memory

_LONGEST = 2000


class LastWords:
    """Of a process that was given `output` to write to.

    Args:
        code: that it ended with, as `subprocess` tells it: negative for a signal.
        output: what it wrote.

    Attributes:
        how: it ended, in a few words that go on from "its process ended with".
        out_of_memory: whether it says so.
    """

    def __init__(self, code: int, output: IO[bytes]) -> None:
        said = _end_of(output)
        how = f"signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"exit code {code}"
        self.how = how + (f": {one_line(said[-1])}" if said else "")
        self.out_of_memory = says_out_of_memory("\n".join(said))


def _end_of(output: IO[bytes]) -> list[str]:
    with contextlib.suppress(OSError, ValueError):
        output.seek(max(0, output.seek(0, os.SEEK_END) - _LONGEST))
        return output.read().decode("utf-8", "replace").strip().splitlines()
    return []
