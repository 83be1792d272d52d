"""Device twins as Azure documents them: patches, versions, etags and limits."""

from __future__ import annotations

import base64
import copy
from typing import Any

MOST_BYTES = 32 << 10
MOST_TEXT_BYTES = 4 << 10
MOST_DEPTH = 10


class PatchRefused(Exception):  # noqa: N818 - named for the state it reports
    """What a hub does not keep."""


class HubTwin:
    """One device's twin, and the key of the device.

    Attributes:
        desired, reported: properties without `$version`.
        desired_version, reported_version: of each.
        changes: how often it changed; its etag.
    """

    def __init__(self, device: str, key: str) -> None:
        self.device = device
        self.key = key
        self.enabled = True
        self.desired: dict[str, Any] = {}
        self.reported: dict[str, Any] = {}
        self.desired_version = self.reported_version = self.changes = 1

    @property
    def etag(self) -> str:
        """As hubs write it: eight bytes in base64."""
        return base64.b64encode(self.changes.to_bytes(8, "big")).decode()

    def properties(self) -> dict[str, Any]:
        """As a device reads it."""
        return {
            "desired": {**copy.deepcopy(self.desired), "$version": self.desired_version},
            "reported": {**copy.deepcopy(self.reported), "$version": self.reported_version},
        }

    def document(self) -> dict[str, Any]:
        """As a service reads it."""
        when = "2026-01-01T00:00:00.0000000Z"
        properties = self.properties()
        for part in properties.values():
            part["$metadata"] = {"$lastUpdated": when}
        return {
            "deviceId": self.device,
            "etag": self.etag,
            "deviceEtag": "MTIzNDU2Nzg5",
            "status": "enabled" if self.enabled else "disabled",
            "statusUpdateTime": "0001-01-01T00:00:00Z",
            "connectionState": "Disconnected",
            "lastActivityTime": "0001-01-01T00:00:00Z",
            "cloudToDeviceMessageCount": 0,
            "authenticationType": "sas",
            "x509Thumbprint": {"primaryThumbprint": None, "secondaryThumbprint": None},
            "version": self.changes,
            "properties": properties,
            "capabilities": {"iotEdge": False},
        }

    def desire(self, patch: Any) -> None:
        """A service's patch of what is desired."""
        self.desired = _patched(self.desired, patch)
        self.desired_version += 1
        self.changes += 1

    def report(self, patch: Any) -> None:
        """A device's patch of what it reports."""
        self.reported = _patched(self.reported, patch)
        self.reported_version += 1
        self.changes += 1


def _patched(properties: dict[str, Any], patch: Any) -> dict[str, Any]:
    if not isinstance(patch, dict):
        raise PatchRefused("a patch is an object")
    _check(patch, 0)
    merged = _merged(properties, patch)
    if _size(merged) > MOST_BYTES:
        raise PatchRefused(f"properties have {MOST_BYTES} bytes at most")
    return merged


def _merged(into: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    merged = dict(into)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            there = merged.get(key)
            merged[key] = _merged(there if isinstance(there, dict) else {}, value)
        else:
            merged[key] = value
    return merged


def _check(value: Any, depth: int) -> None:
    if isinstance(value, dict):
        if depth > MOST_DEPTH:
            raise PatchRefused(f"properties are {MOST_DEPTH} deep at most")
        for key, each in value.items():
            if not 0 < len(key.encode()) <= 1024 or set(key) & set(".$ ") or not key.isprintable():
                raise PatchRefused(f"{key!r} is no key")
            _check(each, depth + 1)
    elif isinstance(value, list):
        for each in value:
            if each is None:
                raise PatchRefused("null takes away a property, and is nothing in an array")
            _check(each, depth + 1)
    elif isinstance(value, str):
        if len(value.encode()) > MOST_TEXT_BYTES:
            raise PatchRefused(f"a text has {MOST_TEXT_BYTES} bytes at most")
    elif isinstance(value, int) and not -(1 << 52) <= value < 1 << 52:
        raise PatchRefused("an integer has 53 bits at most")


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return sum(len(key.encode()) + _size(each) for key, each in value.items())
    if isinstance(value, list):
        return sum(_size(each) for each in value)
    if isinstance(value, str):
        return len(value.encode())
    return 4 if isinstance(value, bool) else 8
