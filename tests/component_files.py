"""Components of tiny models, packed without vetting, and archives that nobody of this project would pack."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.artefacts import MANIFEST
from models.components.component import Component, Target
from models.components.packing import pack
from tests.model_files import nan_output, vetted_classifier

LABELS = ("ant", "bee", "cow")
Members = dict[str, bytes]


def component_of(
    folder: Path,
    *,
    favours: int = 1,
    version: str = "1.0.0",
    target: Target = "linux-x86_64",
    finite: bool = True,
    model: Callable[[Path], Path] | None = None,
    name: str = "animals",
) -> Path:
    """The archive of a classifier that answers `LABELS[favours]` to every image, or none that is a number.

    `model` makes another one in its place.
    """
    folder.mkdir(parents=True, exist_ok=True)
    vetted = vetted_classifier(folder / f"compiled-{version}-{favours}", favours=favours)
    manifest = vetted.artefact.manifest
    named = replace(manifest, card=replace(manifest.card, name=name, labels=LABELS))
    artefact = replace(vetted.artefact, manifest=named)
    if not finite:
        nan_output(artefact.folder / "model.onnx")
    if model is not None:
        model(artefact.folder / "model.onnx")
    archive = folder / f"{name}-{version}-{target}.zip"
    pack(artefact, vetted.reference, archive, name=name, version=version, target=target, precision="fp32")
    return archive


def component(archive: Path) -> Component:
    """What an archive's manifest says."""
    with zipfile.ZipFile(archive) as packed:
        return Component.decode(packed.read(MANIFEST))


def unpacked(archive: Path, folder: Path) -> Path:
    """What Greengrass or `unzip` makes of an archive."""
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    return folder


def repacked(archive: Path, change: Callable[[Members], object], method: int = zipfile.ZIP_STORED) -> Path:
    """The same archive with other members."""
    with zipfile.ZipFile(archive) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    change(members)
    with zipfile.ZipFile(archive, "w", method) as packed:
        for name, data in members.items():
            packed.writestr(name, data)
    return archive


def with_manifest(archive: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The same archive with another manifest."""

    def rewritten(members: Members) -> None:
        value = json.loads(members[MANIFEST])
        change(value)
        members[MANIFEST] = json.dumps(value).encode()

    return repacked(archive, rewritten)
