"""Moments as users read them."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(moment: datetime | None = None) -> str:
    """`moment`, or now, as RFC 3339 in UTC with microseconds, e.g. `2026-01-02T03:04:05.000006Z`."""
    told = moment or datetime.now(UTC)
    return told.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
