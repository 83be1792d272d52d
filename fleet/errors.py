"""Why a fleet says no. Each text is one line for people, and says what to do where something can be done."""

from __future__ import annotations

from databases.errors import StoreUnusable as StoreUnusable


class FleetError(Exception):
    """What a fleet cannot do, in one line."""


class NoSuchDevice(FleetError):  # noqa: N818 - these are named for the state they report
    """There is no device of this name."""


class DeviceTaken(FleetError):  # noqa: N818
    """There is a device of this name."""


class GroupTaken(FleetError):  # noqa: N818
    """There is a group of this name."""


class NoSuchGroup(FleetError):  # noqa: N818
    """There is no group of this name."""


class NoSuchRelease(FleetError):  # noqa: N818
    """There is no release of this name and version."""


class ReleaseTaken(FleetError):  # noqa: N818
    """A release of this name, version and target is on record, and it is another one."""


class NoSuchRollout(FleetError):  # noqa: N818
    """There is no rollout that could be gone on with, halted, or taken back."""


class TwinChanged(FleetError):  # noqa: N818
    """Somebody wrote this twin since it was read; read it again."""


class TwinRefused(FleetError):  # noqa: N818
    """More than the store of twins keeps of one device; nothing was written."""
