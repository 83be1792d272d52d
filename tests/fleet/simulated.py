"""Releases, devices that say what a test has them say, and time that a test sets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from fleet.fleet import Fleet
from fleet.identities import is_identity
from fleet.releases import Release
from models.components.component import TARGETS, Target
from models.components.twin import DesiredModel, Reported, ReportedModel, RunState


class Clock:
    """Seconds since 1970, which pass when a test says so.

    Attributes:
        now: what it answers.
    """

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def release(version: str, name: str = "model", target: Target = TARGETS[0]) -> Release:
    """A release whose content is that of its name, version and target alone."""
    return Release(
        name=name,
        version=version,
        target=target,
        model_id=f"{name}.h5@{digest('model', name, version)[:12]}",
        source_sha256=digest("model", name, version),
        sha256=digest("archive", name, version, target),
        size=1000,
        uri=f"/shelf/{name}-{version}-{target}.zip",
        terms="onnx fp32",
    )


def digest(*parts: str) -> str:
    """A SHA-256 in hexadecimal digits."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def record(fleet: Fleet, *versions: str, name: str = "model", targets: Iterable[Target] = TARGETS[:1]) -> None:
    """Puts releases on record, for each of the targets."""
    for version in versions:
        for target in targets:
            fleet.releases.record(release(version, name, target))


def add_devices(fleet: Fleet, many: int, prefix: str = "robot-") -> list[str]:
    """Adds devices that follow `model`."""
    names = [f"{prefix}{number:03}" for number in range(many)]
    for name in names:
        fleet.devices.add(name)
    return names


def report(fleet: Fleet, device: str, state: RunState = "running", name: str = "model") -> None:
    """A device says that it came to this state with what it is to run of that name."""
    twin = fleet.twins.read(device)
    said = [reported(each, state) for each in twin.models if each.name == name]
    others = [each for each in twin.reported.models if each.name != name]
    fleet.twins.write_reported(device, Reported((*others, *said), "0.2.0", TARGETS[0], 1 << 30))


def reported(model: DesiredModel, state: RunState) -> ReportedModel:
    """What a device says of a component."""
    return ReportedModel(model.name, model.version, model.sha256, "model.h5@0123", state)


def versions(fleet: Fleet, name: str = "model") -> dict[str, str]:
    """The version of that name that each device is to run, of those that are to run one."""
    return {twin.device: model.version for twin in fleet.twins.devices() for model in twin.models if model.name == name}


def admits(fleet: Fleet, device: str, token: str) -> bool:
    """Whether a token is that of a device."""
    head = fleet.devices.heads([device] if is_identity(device) else []).get(device)
    return head is not None and head.token_sha256 == hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
