"""`hotswap-edge status` and `retry`: what an agent's folder tells, and a word to its agent; neither needs the agent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge.device_folder import CURRENT, RETRY, read_state_of
from edge.device_state import FIRST_PLACE, DeviceState, Installed, Place
from edge.runs import RUNS, read_runs
from edge.trials import SeenRun
from models.printable import json_text, printable


def status(folder: Path, as_json: bool) -> str:
    """What lies in an agent's folder, what is desired, what failed, and which processes answer by what.

    Args:
        folder: the agent's.
        as_json: whether programs are to read it: one object.

    Raises:
        StateUnreadable, OSError: it is no agent's folder, or its state cannot be read.
    """
    state, runs = read_state_of(folder), read_runs(folder / RUNS)
    told = {
        "desired": [{"name": each.name, "version": each.version, "sha256": each.sha256} for each in state.desired],
        "places": [_of_place(name, place, state) for name, place in state.places.items()],
        "failed": [
            {"name": each.name, "version": each.version, "sha256": sha256, "error": each.error, "detail": each.detail}
            for sha256, each in state.failed.items()
        ],
        "runs": [_of_run(run, state) for run in runs],
    }
    return json_text(told, 1) if as_json else "\n".join(map(printable, _lines(told)))


def retry(folder: Path) -> None:
    """Has the folder's agent try again whatever it gave up: at its next poll, or as it starts.

    Raises:
        StateUnreadable, OSError: it is no agent's folder, or cannot be written.
    """
    read_state_of(folder)
    (folder / RETRY).touch()


def _of_place(name: str, place: Place, state: DeviceState) -> dict[str, Any]:
    failed = place.current is not None and place.current.sha256 in state.failed
    told = "failed" if failed else "trial" if place.trial is not None else "running"
    return {
        "link": CURRENT if name == FIRST_PLACE else f"{name}/{CURRENT}",
        "current": _of_installed(place.current),
        "state": told if place.current is not None else "",
        "trial_seconds": round(place.trial.seconds, 1) if place.trial is not None else None,
        "last_good": _of_installed(place.last_good),
    }


def _of_installed(release: Installed | None) -> dict[str, Any] | None:
    if release is None:
        return None
    return {
        "name": release.name,
        "version": release.version,
        "sha256": release.sha256,
        "model_id": release.model_id,
    }


def _of_run(run: SeenRun, state: DeviceState) -> dict[str, Any]:
    known = {each.manifest: each for each in state.releases().values()}
    return {
        "process": int(run.name.partition("-")[0]),
        "alive": run.alive,
        "component": _of_installed(known.get(run.manifest)),
        "answered": run.manifest in run.answered,
    }


def _lines(told: dict[str, Any]) -> list[str]:
    lines = [f"desired: {_title(each)}" for each in told["desired"]] or ["desired: nothing"]
    for place in told["places"]:
        current, link = place["current"], place["link"]
        if current is None:
            lines.append(f"{link}: nothing yet")
            continue
        since = f", for {place['trial_seconds']:.0f} s" if place["trial_seconds"] is not None else ""
        lines.append(f"{link}: {_title(current)} ({current['model_id']}): {place['state']}{since}")
        if place["last_good"] is not None:
            lines.append(f"  before it: {_title(place['last_good'])}")
    lines += [f"failed: {_title(each)}: {each['error']}: {each['detail']}" for each in told["failed"]]
    for run in told["runs"]:
        does = "answers" if run["answered"] else "has not answered yet"
        by = _title(run["component"]) if run["component"] else "something else"
        lines.append(f"process {run['process']}: {by}: {does if run['alive'] else 'died'}")
    return lines


def _title(value: dict[str, Any]) -> str:
    return f"{value['name']} {value['version']}"
