"""Tries to break out, as a model would that took over its process: `trial PORT SECRET FORBIDDEN`.

It is started in its workspace and confines itself first. Prints, as JSON, what it came through with.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import mmap
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from models.confinement import places
from models.confinement.confining import confine

CANARY = "HOTSWAP_CANARY"
"""A variable of the environment in which the trial is started, which must not come through."""
_CLONE_NEWNS = 0x00020000
_CAPABILITIES = "CapEff:"


def main(port: int, secret: Path, forbidden: Path) -> None:
    """Every attempt, by what it would be good for."""
    parent = os.getppid()
    uncounted = _uncounted()
    confine(writable=[Path.cwd()])
    attempts: dict[str, list[Callable[[], object]]] = {
        "the network": [
            lambda: socket.create_connection(("127.0.0.1", port), 1),
            lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", port)),
            lambda: socket.socket(socket.AF_UNIX).connect("/run/docker.sock"),
            socket.socketpair,
        ],
        "files outside its workspace to read": [
            lambda: secret.read_bytes(),
            lambda: Path("/proc/self/root", *secret.parts[1:]).read_bytes(),
        ],
        "files outside its workspace to write": [
            lambda: (forbidden / "planted.py").write_text(""),
            lambda: secret.open("ab"),
            lambda: secret.chmod(0o777),
            lambda: Path("leads out").symlink_to(forbidden),
        ],
        "other processes": [
            lambda: os.kill(parent, 0),
            lambda: fcntl.fcntl(0, fcntl.F_SETOWN, parent),  # who is then sent signals
            lambda: Path(f"/proc/{parent}/environ").read_bytes(),
            lambda: Path(f"/proc/{parent}/mem").open("rb"),  # noqa: SIM115 - this process ends at once
        ],
        "processes of its own": [_fork, _become_another, lambda: os.setpgid(0, os.getpgid(parent))],
        "memory that no limit counts": [lambda: os.memfd_create("uncounted"), *uncounted],
        "privileges": [_has_capabilities, _has_a_new_namespace],
        "its parent's environment": [lambda: os.environ[CANARY]],
    }
    print(json.dumps([what for what, ways in attempts.items() if any(map(_comes_through, ways))]))


def _uncounted() -> list[Callable[[], object]]:
    """Where there is a GPU no limit of address space can be set, and NVIDIA's driver needs shared memory."""
    return [] if places.gpus() else [lambda: mmap.mmap(-1, 1)]


def _comes_through(attempt: Callable[[], object]) -> bool:
    with suppress(OSError, KeyError):
        attempt()
        return True
    return False


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _become_another() -> None:
    with suppress(FileNotFoundError):  # found out only by who may try
        os.execv("/nonexistent", ["nonexistent"])  # noqa: S606 - no shell is wanted


def _has_capabilities() -> None:
    lines = Path("/proc/self/status").read_text().splitlines()
    if not any(int(line.split()[1], 16) for line in lines if line.startswith(_CAPABILITIES)):
        raise PermissionError


def _has_a_new_namespace() -> None:
    if ctypes.CDLL(None).unshare(_CLONE_NEWNS) != 0:
        raise PermissionError


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
