"""What is told of a fleet's devices: to scripts as JSON, to people as tables and lines.

A device is not trusted: whatever it says of itself is shown on its line, moves no cursor and is no markup.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fleet.fleet import DeviceStatus
from models.components.twin import DesiredModel, ReportedModel
from models.moments import rfc3339
from models.printable import printable

STATES = ("running", "trial", "fetching", "pending", "failed")
"""Of a component on a device. `pending`: the device has said nothing of it; the others are its words."""
_STYLES = {"running": "green", "trial": "yellow", "fetching": "yellow", "pending": "yellow", "failed": "red"}
_WIDE = 110
"""Characters; narrower terminals are shown the columns that tell whether all is well."""
_TIMES = ((60, "s", 1), (3600, "min", 60), (86400, "h", 3600))


def said_of(of: DeviceStatus, model: DesiredModel) -> ReportedModel | None:
    """What a device says of a component that it is to run: of that archive, whatever else it says of the name."""
    same = (each for each in of.twin.reported.models if (each.name, each.sha256) == (model.name, model.sha256))
    return next(same, None)


def state_of(of: DeviceStatus, model: DesiredModel) -> str:
    """One of `STATES`."""
    said = said_of(of, model)
    return "pending" if said is None else said.state


def device_state(of: DeviceStatus) -> str:
    """How a device is in a word: the worst of `STATES` among its components; `idle` where it is to run none."""
    states = {state_of(of, model) for model in of.twin.models}
    return next((each for each in reversed(STATES) if each in states), "idle")


def runs(of: DeviceStatus) -> list[ReportedModel]:
    """What answers on a device, as it says."""
    return [each for each in of.twin.reported.models if each.state in ("running", "trial")]


def errors_of(of: DeviceStatus) -> list[ReportedModel]:
    """What a device has trouble with."""
    return [each for each in of.twin.reported.models if each.state == "failed" or each.error]


def device_as_json(of: DeviceStatus) -> dict[str, Any]:
    """A device, for scripts."""
    reported = of.twin.reported
    return {
        "device": of.device.name,
        "state": device_state(of),
        "target": of.target,
        "groups": list(of.device.groups),
        "assigned": dict(sorted(of.assigned.items())),
        "desired": [
            {
                "name": each.name,
                "version": each.version,
                "sha256": each.sha256,
                "size": each.size,
                "signed": each.signature is not None,
                "state": state_of(of, each),
            }
            for each in of.twin.models
        ],
        "desired_version": of.twin.version,
        "reported": [asdict(each) for each in reported.models],
        "reported_version": reported.version,
        "agent": reported.agent,
        "free_bytes": None if reported.free_bytes < 0 else reported.free_bytes,
        "last_seen": moment(of.device.last_seen),
        "created": moment(of.device.created),
    }


def print_devices(console: Console, devices: Sequence[DeviceStatus]) -> None:
    """Devices, for a person: a table on a terminal, else a line for each with tabs between its fields."""
    if not console.is_terminal:
        for of in devices:
            row = {**_columns(of), "seen": moment(of.device.last_seen) or ""}
            print("\t".join(map(printable, row.values())))
        return
    is_wide = console.width >= _WIDE
    shown = [*_ALWAYS, *_IF_WIDE] if is_wide else _ALWAYS
    table = Table(*shown, box=None, pad_edge=False)
    for of in devices:
        row = _columns(of)
        table.add_row(*(inert(row[name]) for name in shown), style=_STYLES.get(device_state(of), ""))
    console.print(table)


_ALWAYS = ("device", "state", "to run", "runs", "seen")
_IF_WIDE = ("free", "target", "groups", "assigned")


def _columns(of: DeviceStatus) -> dict[str, str]:
    state = device_state(of)
    word = next((each.error for each in errors_of(of) if each.error), "")
    return {
        "device": of.device.name,
        "state": f"{state}: {word}" if word else state,
        "to run": ", ".join(each.title for each in of.twin.models),
        "runs": ", ".join(f"{each.name} {each.version}" for each in runs(of)),
        "seen": ago(of.device.last_seen),
        "free": size(of.twin.reported.free_bytes),
        "target": of.target,
        "groups": ", ".join(of.device.groups),
        "assigned": assigned_in_words(of.assigned),
    }


def print_device(console: Console, of: DeviceStatus) -> None:
    """One device whole, for a person."""
    reported = of.twin.reported
    rows = {
        "state": device_state(of),
        "seen": _seen(of.device.last_seen),
        "added": moment(of.device.created) or "",
        "target": of.target,
        "agent": reported.agent,
        "free": size(reported.free_bytes),
        "groups": ", ".join(of.device.groups),
        "assigned": assigned_in_words(of.assigned),
    }
    console.print(Text(of.device.name, "bold"), soft_wrap=True)
    for name, value in rows.items():
        if value:
            print_line(console, f"  {name:<9} {value}")
    for model in of.twin.models:
        signed = "signed" if model.signature is not None else "not signed"
        about = f"{state_of(of, model)}; {model.size:,} bytes, sha256 {model.sha256[:12]}, {signed}"
        print_line(console, f"  to run    {model.title}: {about}")
    for said in reported.models:
        made_of = f", made of {said.model_id}" if said.model_id else ""
        print_line(console, f"  reports   {said.name} {said.version}: {said.state}, sha256 {said.sha256[:12]}{made_of}")
        if said.error or said.detail:
            print_line(console, f"            {': '.join(filter(None, [said.error, said.detail]))}")


def assigned_in_words(assigned: dict[str, str]) -> str:
    """What a device or a group is to run, in a line."""
    return ", ".join(f"{name} {version}" for name, version in sorted(assigned.items()))


def changed_in_words(devices: int) -> str:
    """How many devices are to run something else than before, in a line."""
    if not devices:
        return "no device is to run anything else than before"
    return f"{devices:,} device{'s are' if devices > 1 else ' is'} to run something else than before"


def inert(text: str) -> Text:
    """A stranger's text in a table."""
    return Text(printable(text))


def moment(seconds: float | None) -> str | None:
    """Seconds since 1970 as RFC 3339; None where there are none."""
    return None if seconds is None else rfc3339(datetime.fromtimestamp(seconds, UTC))


def ago(seconds: float | None) -> str:
    """How long it is since a moment (seconds since 1970), in two words; `never` where there was none."""
    if seconds is None:
        return "never"
    since = max(0, int(time.time() - seconds))
    for limit, unit, of in _TIMES:
        if since < limit:
            return f"{since // of} {unit} ago"
    return f"{since // 86400} d ago"


def _seen(seconds: float | None) -> str:
    return ago(seconds) if seconds is None else f"{moment(seconds)}, {ago(seconds)}"


def size(count: int) -> str:
    """A number of bytes in two words; "" where it is not known (negative)."""
    if count < 0:
        return ""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def print_rows(console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Strangers' texts: a table on a terminal, else a line for each row with tabs between its fields."""
    if not console.is_terminal:
        for row in rows:
            print("\t".join(map(printable, row)))
        return
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(inert, row))
    console.print(table)


def print_line(console: Console, text: str) -> None:
    """A stranger's text on a line of its own, however long."""
    console.print(inert(text), soft_wrap=True)
