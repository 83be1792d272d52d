"""A device's twin as an IoT hub keeps it, within the limits that Azure documents for twins.

A hub's device hears no etag. What stands for it, on both sides, is `$version` of what is desired, which grows with
each write, and a digest of it: a device that is registered anew under its old name begins again with version 1. A text
of more than 4,000 bytes (a signature with its certificates) is kept as a list of its parts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from models.components.twin import DesiredModel, Reported, ReportedModel, Twin, TwinMalformed
from models.errors import one_line

MOST_SIZE = 32 << 10
"""Bytes of all that is desired, and of all that is reported, as Azure counts them."""
MOST_TEXT_BYTES = 4 << 10
_PART_BYTES = 4000
_MOST_INTEGER = 4503599627370495
_SHORT_DETAIL = 200
EXPIRED = "expired"
"""The word of a device for an address that has died, and the property in which it asks for others: it holds `$version`
of what was desired when it found them dead."""


class TwinTooLarge(ValueError):  # noqa: N818 - named for the state it reports
    """More than an IoT hub keeps in a twin; its text is one line."""


def desired_properties(models: Sequence[DesiredModel], others: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What is written to a hub for a device to read: `{"models": […]}`.

    Args:
        models: all that it is to run, with addresses.
        others: all that is desired of the device now; what is not of this project stays there, and takes its room.

    Raises:
        TwinTooLarge: a hub would refuse it.
    """
    desired = {"models": [_desired_model(each) for each in models]}
    kept = {key: value for key, value in (others or {}).items() if key != "models" and not key.startswith("$")}
    _check(kept | desired, "what a device is to run")
    return desired


def reported_properties(reported: Reported, version: int) -> dict[str, Any]:
    """What a device writes to a hub: all that it says of itself, with shorter details where they would not fit.

    Args:
        reported: what it says.
        version: `$version` of what was desired when it was last read.

    Raises:
        TwinTooLarge: a hub would refuse it, without any detail too.
    """
    for longest in (None, _SHORT_DETAIL, 0):
        properties = {
            "models": [_reported_model(each, longest) for each in reported.models],
            "agent": reported.agent,
            "target": reported.target,
            "free_bytes": min(reported.free_bytes, _MOST_INTEGER),
        }
        try:
            _check(properties, "what a device reports")
        except TwinTooLarge:
            if longest == 0:
                raise
        else:
            break
    asks = any(each.error == EXPIRED for each in reported.models)
    return properties | {EXPIRED: version if asks else None}


def twin_of(device: str, properties: Mapping[str, Any]) -> Twin:
    """The twin that a hub keeps.

    Args:
        device: its identity.
        properties: `{"desired": {…}, "reported": {…}}`. What a device reports is a stranger's: where it cannot be read,
            the device is taken to say nothing.

    Returns:
        a twin whose `etag` is made of what is desired.

    Raises:
        TwinMalformed: what is desired cannot be read.
    """
    try:
        desired = dict(properties["desired"])
        etag = _etag(desired["$version"], desired.get("models", []))
        desired["models"] = [_joined(each) for each in desired.get("models", [])]
        document = {"deviceId": device, "etag": etag, "properties": {"desired": desired}}
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise TwinMalformed(f"it is no device twin: {one_line(error)}") from error
    twin = Twin.from_json(document)
    try:
        return replace(twin, reported=Reported.from_json(properties.get("reported") or {}))
    except TwinMalformed:
        return twin


def asks_for_addresses(properties: Mapping[str, Any]) -> bool:
    """Whether a device found the addresses dead that it is told now, and not those before."""
    reported, desired = properties.get("reported") or {}, properties.get("desired") or {}
    return reported.get(EXPIRED) is not None and reported[EXPIRED] == desired.get("$version")


def twin_size(value: Any) -> int:
    """Bytes of a value of a twin as Azure counts them: keys and texts in UTF-8, numbers 8, truths 4."""
    if isinstance(value, Mapping):
        return sum(len(key.encode()) + twin_size(each) for key, each in value.items())
    if isinstance(value, list):
        return sum(map(twin_size, value))
    if isinstance(value, str):
        return len(value.encode())
    return 4 if isinstance(value, bool) or value is None else 8


def _etag(version: Any, models: Any) -> str:
    return f"{version}-{hashlib.sha256(json.dumps(models, sort_keys=True).encode()).hexdigest()[:16]}"


def _desired_model(model: DesiredModel) -> dict[str, Any]:
    # Azure documents no null within an array, so that what is not there is left out.
    entry = {key: value for key, value in asdict(model).items() if value is not None}
    if model.signature is not None and len(model.signature.encode()) > _PART_BYTES:
        entry["signature"] = _parts(model.signature)
    return entry


def _parts(text: str) -> list[str]:
    """A text in parts of `_PART_BYTES` of UTF-8 at most."""
    parts, data = [], text.encode()
    while data:
        part = data[:_PART_BYTES].decode(errors="ignore")  # a letter is not cut
        parts.append(part)
        data = data[len(part.encode()) :]
    return parts


def _joined(entry: Mapping[str, Any]) -> dict[str, Any]:
    joined = dict(entry)
    if isinstance(joined.get("signature"), list):
        joined["signature"] = "".join(joined["signature"])
    return joined


def _reported_model(model: ReportedModel, longest_detail: int | None) -> dict[str, Any]:
    entry = asdict(replace(model, detail=model.detail[:longest_detail]))
    if len(model.model_id.encode()) > MOST_TEXT_BYTES:
        entry["model_id"] = ""
    return entry


def _check(properties: Mapping[str, Any], what: str) -> None:
    size = twin_size(properties)
    if size > MOST_SIZE:
        raise TwinTooLarge(
            f"{what} takes {size:,} bytes, and a twin of an IoT hub has {MOST_SIZE:,} for it; assign fewer components"
        )
    for model in properties["models"]:
        for key, value in model.items():
            if isinstance(value, str) and len(value.encode()) > MOST_TEXT_BYTES:
                raise TwinTooLarge(
                    f"{key} of {model['name']} has {len(value.encode()):,} bytes, and a text in a twin of an IoT hub "
                    f"{MOST_TEXT_BYTES:,} at most"
                )
