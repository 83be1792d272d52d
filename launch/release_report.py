"""What is told of releases on record: to scripts as JSON, to people as a table or lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from fleet.releases import Release
from launch.fleet_report import moment, print_rows
from launch.printing import say

_COLUMNS = ("release", "target", "bytes", "signed", "recorded", "made of")


def release_as_json(release: Release) -> dict[str, Any]:
    """A release, for scripts."""
    return {
        "name": release.name,
        "version": release.version,
        "target": release.target,
        "model_id": release.model_id,
        "sha256": release.sha256,
        "size": release.size,
        "uri": release.uri,
        "signed": release.signature is not None,
        "created": moment(release.created),
    }


def print_releases(console: Console, releases: Sequence[Release]) -> None:
    """Releases, for a person: a table on a terminal, else a line for each with tabs between its fields."""
    if not releases:
        say("there is no release yet; `hotswap fleet push` and a server's live model make them")
        return
    rows = [
        (
            f"{each.name}@{each.version}",
            each.target,
            f"{each.size:,}",
            "no" if each.signature is None else "yes",
            moment(each.created) or "",
            each.model_id,
        )
        for each in releases
    ]
    print_rows(console, _COLUMNS, rows)
