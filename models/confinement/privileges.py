"""What else a process gives away for good: capabilities, new privileges, the network, core dumps, its terminal."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import resource
import termios
from pathlib import Path

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 24, 38, 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITIES_V3 = 0x20080522
_LAST_CAPABILITY = Path("/proc/sys/kernel/cap_last_cap")


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def leave_terminal() -> None:
    """Gives up the terminal, which could be typed into."""
    with contextlib.suppress(OSError), open("/dev/tty", "rb", buffering=0) as terminal:
        fcntl.ioctl(terminal, termios.TIOCNOTTY)


def dump_no_core() -> None:
    """A crash leaves no file behind."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def die_first() -> None:
    """Is the first to be ended where the machine runs out of memory."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def leave_network() -> None:
    """Takes a network of its own, with nobody in it.

    Raises:
        OSError: neither as it is nor in a user namespace of its own may this process do so.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0 and libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), f"namespaces: {os.strerror(ctypes.get_errno())}")


def drop_privileges() -> None:
    """Gives up every capability, and what a program could bring back of them.

    Raises:
        OSError: the kernel does not allow it.
    """
    libc = ctypes.CDLL(None, use_errno=True)

    def require(status: int) -> None:
        if status != 0:
            raise OSError(ctypes.get_errno(), f"capabilities: {os.strerror(ctypes.get_errno())}")

    require(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    with contextlib.suppress(OSError):  # who has none of them may not drop them either
        for capability in range(int(_LAST_CAPABILITY.read_text()) + 1):
            require(libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0))
    libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = _Header(_CAPABILITIES_V3, 0)
    require(libc.capset(ctypes.byref(header), ctypes.byref((_Sets * 2)())))
