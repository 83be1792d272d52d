"""Landlock: which files a process, its threads and children may touch, whoever's they are (Linux 5.13 and later).

The kernel's interface: https://docs.kernel.org/userspace-api/landlock.html
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from enum import IntFlag
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_PATH_BENEATH = 1


class _Access(IntFlag):
    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13
    TRUNCATE = 1 << 14
    IOCTL_DEV = 1 << 15


_OF_VERSION = ((1, (1 << 13) - 1), (2, _Access.REFER), (3, _Access.TRUNCATE), (5, _Access.IOCTL_DEV))
_OF_FILES = _Access.EXECUTE | _Access.WRITE_FILE | _Access.READ_FILE | _Access.TRUNCATE | _Access.IOCTL_DEV
_READ = _Access.READ_FILE | _Access.READ_DIR
_USE = _READ | _Access.WRITE_FILE | _Access.TRUNCATE | _Access.IOCTL_DEV
_WRITE = (
    _USE & ~_Access.IOCTL_DEV
    | _Access.REMOVE_DIR
    | _Access.REMOVE_FILE
    | _Access.MAKE_DIR
    | _Access.MAKE_REG
    | _Access.REFER
)
_TCP = 0b11
_TCP_VERSION = 4
_SIGNALS_AND_ABSTRACT_SOCKETS = 0b11
_SCOPE_VERSION = 6


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def restrict(readable: Iterable[Path], usable: Iterable[Path], writable: Iterable[Path]) -> None:
    """Leaves this thread, and what it starts from here on, nothing but these files, for good.

    What the kernel can of it: neither is TCP left, nor a signal to a process outside. No file may be executed.

    Args:
        readable: files, and folders with all in them, to read; those that are not there are passed over.
        usable: devices to read, write and control; the same.
        writable: folders to read and write in; neither links nor devices can be made there.

    Raises:
        OSError: the kernel cannot, or does not allow it.
    """
    version = _call(_CREATE_RULESET, None, 0, _ASK_VERSION)
    handled = sum(rights for since, rights in _OF_VERSION if version >= since)
    ruleset = _Ruleset(
        handled,
        _TCP if version >= _TCP_VERSION else 0,
        _SIGNALS_AND_ABSTRACT_SOCKETS if version >= _SCOPE_VERSION else 0,
    )
    rules = _call(_CREATE_RULESET, ctypes.byref(ruleset), ctypes.sizeof(ruleset), 0)
    try:
        for paths, access in ((readable, _READ), (usable, _USE), (writable, _WRITE)):
            for path in paths:
                _allow(rules, path, access & handled)
        _call(_RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)


def _allow(rules: int, path: Path, access: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rule = _PathBeneath(access if path.is_dir() else access & _OF_FILES, place)
        _call(_ADD_RULE, rules, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(place)


def _call(number: int, *arguments: object) -> int:
    done: int = ctypes.CDLL(None, use_errno=True).syscall(number, *arguments)
    if done < 0:
        raise OSError(ctypes.get_errno(), f"Landlock: {os.strerror(ctypes.get_errno())}")
    return done
