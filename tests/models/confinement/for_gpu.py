"""Prints, as JSON, what a process may still do whose filter leaves NVIDIA's driver what it needs."""

from __future__ import annotations

import json
import mmap
import os
import socket
from collections.abc import Callable

from models.confinement.system_calls import filter_system_calls


def _listening() -> socket.socket:
    own = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    own.bind("")  # a name that nobody has
    own.listen()
    own.setblocking(False)
    return own


def _comes_through(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except PermissionError:
        return False
    return True


def main() -> None:
    """Each of these, whether it is allowed."""
    filter_system_calls(for_gpu=True)
    attempts: dict[str, Callable[[], object]] = {
        "shared memory": lambda: mmap.mmap(-1, 1),
        "to listen on this machine": _listening,
        "another socket": lambda: socket.socket(socket.AF_INET),
        "a pair of sockets": socket.socketpair,
        "to connect": lambda: socket.socket(socket.AF_UNIX).connect("\0nobody"),
        "to accept": lambda: _listening().accept(),
        "memory of a name": lambda: os.memfd_create("uncounted"),
        "a process": os.fork,
    }
    print(json.dumps([what for what, attempt in attempts.items() if _comes_through(attempt)]))


if __name__ == "__main__":
    main()
