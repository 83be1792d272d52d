"""What is told of rollouts and of a fleet as a whole: to scripts as JSON, to people as tables and lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from fleet.assignments import Assignment
from fleet.fleet import DeviceStatus
from fleet.rollout_records import RolloutStatus
from fleet.rollouts import Rollout
from launch.fleet_report import (
    STATES,
    ago,
    assigned_in_words,
    device_state,
    errors_of,
    inert,
    moment,
    print_line,
    print_rows,
    state_of,
)
from models.printable import printable

_FAILURES_SHOWN = 20
_STYLES = {"running": "yellow", "halted": "bold red", "done": "green", "superseded": "dim"}


def rollout_as_json(rollout: Rollout, status: RolloutStatus | None = None) -> dict[str, Any]:
    """A rollout, for scripts; with how its devices do where that is known."""
    plan = rollout.plan
    told = {
        "id": rollout.id,
        "name": rollout.name,
        "version": rollout.version,
        "group": rollout.group,
        "state": rollout.state,
        "step": rollout.step + 1,
        "steps": len(plan.shares),
        "shares": list(plan.shares),
        "pause_seconds": plan.pause,
        "halt_percent": plan.halt,
        "note": rollout.note,
        "started": moment(rollout.started),
        "since": moment(rollout.since),
    }
    if status is None:
        return told
    return told | {
        "followers": status.followers,
        "reached": status.reached,
        "running": status.running,
        "failed": status.failed,
        "silent": status.silent,
    }


def print_rollout(console: Console, status: RolloutStatus) -> None:
    """A rollout, for a person: a line, and a line for each step."""
    rollout, plan = status.rollout, status.rollout.plan
    line = inert(f"{rollout.state:<10} {_titled(rollout)}, began {ago(rollout.started)}")
    line.stylize(_STYLES[rollout.state], 0, len(rollout.state))
    console.print(line, soft_wrap=True)
    print_line(console, f"           {_reached(status)}")
    if rollout.note:
        print_line(console, f"           {rollout.note}")
    if len(plan.shares) > 1:
        pause = "" if plan.pause is None else f", {plan.pause:g} s at least between"
        shares = " → ".join(f"[{each:g} %]" if at == rollout.step else f"{each:g} %" for at, each in _steps(rollout))
        print_line(console, f"           {shares}{pause}; halts above {plan.halt:g} % failed")
    if rollout.state == "halted":
        of = f"{rollout.name} --group {rollout.group}" if rollout.group else rollout.name
        ways = f"`hotswap fleet push {of} --resume`, or `--back` to the release before"
        print_line(console, f"           goes on by {ways}")


def progress_line(status: RolloutStatus) -> str:
    """How far a rollout is, in a line."""
    rollout = status.rollout
    return printable(f"{rollout.state} {_titled(rollout)}: {_reached(status)}{_noted(rollout)}")


def print_earlier(console: Console, rollouts: Sequence[Rollout]) -> None:
    """Rollouts that another one came after, for a person; the latest first."""
    for each in rollouts:
        print_line(console, f"{each.state:<10} {_titled(each)}, began {ago(each.started)}{_noted(each)}")


def failures_as_json(devices: Sequence[DeviceStatus]) -> list[dict[str, str]]:
    """What devices have trouble with, for scripts."""
    return [
        {
            "device": of.device.name,
            "name": each.name,
            "version": each.version,
            "state": each.state,
            "error": each.error,
            "detail": each.detail,
        }
        for of in devices
        for each in errors_of(of)
    ]


def print_failures(console: Console, failures: Sequence[Mapping[str, str]]) -> None:
    """The same, for a person: the first of them."""
    for each in failures[:_FAILURES_SHOWN]:
        why = ": ".join(filter(None, [each["error"], each["detail"]]))
        print_line(
            console, f"{each['device']}: {each['name']} {each['version']} {each['state']}{f'; {why}' if why else ''}"
        )
    if len(failures) > _FAILURES_SHOWN:
        print_line(console, f"and {len(failures) - _FAILURES_SHOWN:,} more; --json has all of them")


def fleet_as_json(
    devices: Sequence[DeviceStatus], groups: Mapping[str, Sequence[str]], assignments: Sequence[Assignment]
) -> dict[str, Any]:
    """How many devices are how, and what they are to run, for scripts."""
    states = Counter(map(device_state, devices))
    wanted = Counter((model.name, model.version, state_of(of, model)) for of in devices for model in of.twin.models)
    of_groups: dict[str, dict[str, str]] = {name: {} for name in groups}
    for each in assignments:
        if each.group in of_groups:
            of_groups[each.group][each.name] = each.version
    return {
        "devices": len(devices),
        "states": {state: states[state] for state in (*STATES, "idle")},
        "components": [
            {"name": name, "version": version, "devices": sum(wanted[name, version, state] for state in STATES)}
            | {state: wanted[name, version, state] for state in STATES}
            for name, version in sorted({key[:2] for key in wanted})
        ],
        "groups": [
            {"group": name, "devices": len(members), "assigned": dict(sorted(of_groups[name].items()))}
            for name, members in groups.items()
        ],
    }


def print_fleet(console: Console, told: Mapping[str, Any]) -> None:
    """What `fleet_as_json` says, for a person."""
    count = told["devices"]
    states = ", ".join(f"{number:,} {state}" for state, number in told["states"].items() if number)
    print_line(console, f"{count:,} device{'s' * (count != 1)}{': ' if states else ''}{states}")
    if told["components"]:
        rows = [
            [each["name"], each["version"], *(f"{each[key]:,}" for key in ("devices", *STATES))]
            for each in told["components"]
        ]
        print_rows(console, ("to run", "version", "devices", *STATES), rows)
    if told["groups"]:
        groups = [
            [each["group"], f"{each['devices']:,}", assigned_in_words(each["assigned"])] for each in told["groups"]
        ]
        print_rows(console, ("group", "devices", "assigned"), groups)


def _titled(rollout: Rollout) -> str:
    return f"{rollout.title} to the group {rollout.group}" if rollout.group else rollout.title


def _reached(status: RolloutStatus) -> str:
    counts = f"{status.running:,} run it, {status.failed:,} failed, {status.silent:,} silent"
    return f"reached {status.reached:,} of {status.followers:,} devices: {counts}"


def _noted(rollout: Rollout) -> str:
    return f"; {rollout.note}" if rollout.note else ""


def _steps(rollout: Rollout) -> list[tuple[int, float]]:
    return list(enumerate(rollout.plan.shares))
