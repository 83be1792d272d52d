"""What a device says of itself: a state for each component that it runs, fetches or gave up."""

from __future__ import annotations

from dataclasses import replace

from edge.device_state import FIRST_PLACE, DeviceState, Installed, Place
from edge.machine import target
from edge.retries import Retries
from edge.trials import is_desired
from models.components.twin import MOST_MODELS, MOST_WRITES, DesiredModel, Reported, ReportedModel
from models.version import VERSION

_ROUNDED_TO = 16 << 20
_LARGE_SHARE = 4
_LONGEST_DETAIL = 300


def report_of(state: DeviceState, retries: Retries, free_bytes: int) -> Reported:
    """What there is to tell now.

    Args:
        state: of the device.
        retries: what of that which is desired does not come in.
        free_bytes: on the disk.

    Returns:
        The same as was told, where only what changes all the time did.
    """
    models = {each.sha256: _of_desired(each, state, retries) for each in state.desired}
    for place in state.places.values():
        if place.current is not None and place.current.is_known and place.current.sha256 not in models:
            models[place.current.sha256] = _of_release(place.current, place, state, retries)
    told = state.told
    free = _steady(free_bytes, told.free_bytes)
    reported = Reported(tuple(models.values())[:MOST_MODELS], VERSION, target(), free, told.version)
    return reported if reported == told else replace(reported, version=min(told.version + 1, MOST_WRITES))


def says_the_same(one: Reported, other: Reported) -> bool:
    """Whether two say the same of components; the version is whoever's counts it."""
    return one.models == other.models and one.agent == other.agent and one.target == other.target


def _of_desired(desired: DesiredModel, state: DeviceState, retries: Retries) -> ReportedModel:
    for name in (FIRST_PLACE, desired.name):
        place = state.places.get(name)
        if place is not None and place.current is not None and is_desired(place.current, desired):
            return _of_release(place.current, place, state, retries)
    told = ReportedModel(desired.name, desired.version, desired.sha256, "", "fetching")
    if (failure := state.failed.get(desired.sha256)) is not None:
        detail = failure.detail[:_LONGEST_DETAIL]
        return replace(told, model_id=failure.model_id, state="failed", error=failure.error, detail=detail)
    if (why := retries.refused.get(desired.sha256)) is not None:
        return replace(told, state="failed", error=why[0], detail=why[1][:_LONGEST_DETAIL])
    if (why := retries.passing.get(desired.sha256)) is not None:
        return replace(told, error=why[0], detail=why[1][:_LONGEST_DETAIL])
    return told


def _of_release(release: Installed, place: Place, state: DeviceState, retries: Retries) -> ReportedModel:
    told = ReportedModel(release.name, release.version, release.sha256, release.model_id, "running")
    if (failure := state.failed.get(release.sha256)) is not None:
        return replace(told, state="failed", error=failure.error, detail=failure.detail[:_LONGEST_DETAIL])
    if (why := retries.untrusted.get(release.sha256)) is not None:
        told = replace(told, error=why[0], detail=why[1][:_LONGEST_DETAIL])
    return told if place.trial is None else replace(told, state="trial")


def _steady(free: int, told: int) -> int:
    """Free bytes, rounded; as they were told unless they are others by far."""
    if told >= 0 and abs(free - told) <= max(told // _LARGE_SHARE, _ROUNDED_TO):
        return told
    return free - free % _ROUNDED_TO
