"""What a file's permissions forbid, forbidden to root too."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

_VERSION_3 = 0x20080522
_MAY_PASS_ALL = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""


@contextmanager
def bound_by_permissions() -> Iterator[None]:
    """This thread is held to the permissions of files, even where it is root's."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    powers = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; then the same of the higher 32
    if libc.capget(header, powers) != 0:
        raise OSError(ctypes.get_errno(), "capget")
    before = powers[0]
    powers[0] = before & ~_MAY_PASS_ALL
    if libc.capset(header, powers) != 0:
        raise OSError(ctypes.get_errno(), "capset")
    try:
        yield
    finally:
        powers[0] = before
        if libc.capset(header, powers) != 0:
            raise OSError(ctypes.get_errno(), "capset")
