"""What this machine is to components, and what its disk says that is full."""

from __future__ import annotations

import errno
import platform

FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Of errors: there is no room, for anybody or for this user."""


def target() -> str:
    """Of components that this machine runs, as `models.components.component.TARGETS` names them where it is one."""
    return f"{platform.system().lower()}-{platform.machine()}"
