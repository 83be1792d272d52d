"""What devices say, as a server would have written it down; and components that fleets are given."""

from __future__ import annotations

from pathlib import Path

from fleet.fleet import Fleet
from models.components.component import Target
from models.components.twin import Reported, ReportedModel, RunState
from tests.component_files import component_of

DATABASE = "fleet.db"


def say(fleet: Fleet, device: str, state: RunState, error: str = "", detail: str = "", free_bytes: int = -1) -> None:
    """A device reports one state of all that it is to run."""
    models = tuple(
        ReportedModel(each.name, each.version, each.sha256, "digits.h5@sha256:0123456789ab", state, error, detail)
        for each in fleet.twins.read(device).models
    )
    fleet.twins.write_reported(device, Reported(models, agent="0.2.0", free_bytes=free_bytes))
    fleet.devices.seen(device)
    fleet.devices.flush()


def animals(version: str = "1.0.0", favours: int = 1, target: Target = "linux-x86_64") -> str:
    """A component of a folder here, as `hotswap package` makes one."""
    return str(component_of(Path("packed"), version=version, favours=favours, target=target))
