"""Packing a vetted model into a component's archive: the same model gives the same bytes, whoever packs it and when."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from models.artefacts import MANIFEST, ONNX_FILE, OPENVINO_FILE, Artefact
from models.components.component import (
    CARD_FILE,
    LABELS_FILE,
    MOST_BYTES,
    Component,
    ComponentFile,
    Precision,
    Target,
    asked_so,
)
from models.components.runtimes import runtime_of
from models.errors import ReleaseError
from models.reference import ModelReference, sha256_of

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first moment that an archive can tell."""
_UNIX, _REGULAR = 3, 0o100644
_CHUNK_BYTES = 1 << 20
_COMPILED = {"onnx": (ONNX_FILE,), "openvino": (OPENVINO_FILE, OPENVINO_FILE.replace(".xml", ".bin"))}


def pack(
    artefact: Artefact,
    source: ModelReference,
    archive: Path,
    *,
    name: str,
    version: str,
    target: Target,
    precision: Precision,
) -> Component:
    """Writes a vetted model as a component.

    Nothing in it is compressed: weights hardly shrink, and what compresses differs from machine to machine.

    Args:
        artefact: compiled for an engine that devices have.
        source: the file that it was made of.
        archive: the `.zip` to write.
        name: of the component.
        version: of the component.
        target: what it is made for.
        precision: of the numbers that it computes with.

    Returns:
        What its manifest says.

    Raises:
        ReleaseError: it is larger than a component may be, or something in it cannot be told.
        OSError: the archive cannot be written.
    """
    card: dict[str, Any] = artefact.manifest.card.to_json()
    labels = card.pop("labels")
    told = {CARD_FILE: _json(card)} | ({LABELS_FILE: _json(labels)} if labels else {})
    contents: dict[str, Path | bytes] = dict(told)
    contents |= {each: artefact.folder / each for each in _COMPILED[artefact.manifest.engine]}
    files = tuple(sorted((_listed(each, content) for each, content in contents.items()), key=lambda file: file.name))
    if sum(file.size for file in files) > MOST_BYTES:
        raise ReleaseError(f"{name} is larger than a component may be, {MOST_BYTES:,} bytes")
    component = Component(
        name=name,
        version=version,
        target=target,
        precision=precision,
        model_id=source.model_id,
        source_sha256=source.sha256,
        runtime=runtime_of(artefact.manifest.engine),
        files=files,
        model=asked_so(artefact.manifest),
    )
    _write(archive, [(MANIFEST, component.encode()), *((file.name, contents[file.name]) for file in files)])
    return component


def _json(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


def _listed(name: str, content: Path | bytes) -> ComponentFile:
    if isinstance(content, Path):
        return ComponentFile(name, sha256_of(content), content.stat().st_size)
    return ComponentFile(name, hashlib.sha256(content).hexdigest(), len(content))


def _write(archive: Path, members: Iterable[tuple[str, Path | bytes]]) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
        for name, content in members:
            member = zipfile.ZipInfo(name, _EPOCH)
            member.create_system, member.external_attr = _UNIX, _REGULAR << 16
            with _opened(content) as source, packed.open(member, "w") as target:
                shutil.copyfileobj(source, target, _CHUNK_BYTES)


def _opened(content: Path | bytes) -> BinaryIO:
    return content.open("rb") if isinstance(content, Path) else BytesIO(content)
