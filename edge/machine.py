"""What this machine is to components."""

from __future__ import annotations

import platform


def target() -> str:
    """Of components that this machine runs, as `models.components.component.TARGETS` names them where it is one."""
    return f"{platform.system().lower()}-{platform.machine()}"
