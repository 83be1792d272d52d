"""What can be told of a model file before any framework looks at it."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from models.errors import ModelFault, ModelRejected, one_line
from models.model_files import SUFFIXES_OF_KIND, FileKind
from models.vetting.keras_configuration import ONE_FILE, check_config

CARD = "model_card"
CARD_MEMBER = "model_card.json"

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_ZIP_SIGNATURE = b"PK\x03\x04"
_ONNX_FIRST_BYTES = b"\x08"  # protobuf field 1, a varint: ModelProto.ir_version, which every exporter writes first
_MAX_NODES = 200_000
COPY_AGAIN = "copy it again, whole"
_WEIGHTS_MEMBER = "model.weights.h5"


def identify(path: Path) -> FileKind:
    """What the file's first bytes say it is, whatever its name says.

    Raises:
        ModelRejected: `not_a_model` or `truncated`.
    """
    with path.open("rb") as file:
        start = file.read(8)
    if start == _HDF5_SIGNATURE:
        return "hdf5"
    if start[:4] == _ZIP_SIGNATURE:
        return "keras"
    if start[:1] == _ONNX_FIRST_BYTES and path.suffix in SUFFIXES_OF_KIND["onnx"]:
        return "onnx"
    if not start:
        raise ModelRejected(ModelFault.TRUNCATED, f"the file is empty; {COPY_AGAIN}")
    if _HDF5_SIGNATURE.startswith(start) or _ZIP_SIGNATURE.startswith(start):
        raise ModelRejected(ModelFault.TRUNCATED, f"the file ends after {len(start)} bytes; {COPY_AGAIN}")
    if start[:1] == b"\x80" and start[1:2] <= b"\x05":
        raise ModelRejected(ModelFault.NOT_A_MODEL, "a Python pickle, which is never opened; save it with model.save")
    raise ModelRejected(
        ModelFault.NOT_A_MODEL, "neither HDF5 (.h5), nor a Keras archive (.keras), nor ONNX; save it as one of these"
    )


def check_hdf5(path: Path, max_bytes: int) -> str | bytes | None:
    """Refuses an HDF5 file that reaches outside itself or unpacks to more than `max_bytes`.

    Returns:
        The text of its card, if it has one.

    Raises:
        ModelRejected: `truncated`, `not_a_model`, `unsafe_code`, `unsupported_layer`, `too_large` or `bad_card`.
    """
    try:
        file = h5py.File(path, "r")
    except (OSError, RuntimeError) as error:
        if "truncated" in str(error):
            raise ModelRejected(
                ModelFault.TRUNCATED, f"the file ends before its HDF5 content does; {COPY_AGAIN}"
            ) from error
        raise ModelRejected(ModelFault.NOT_A_MODEL, f"HDF5 cannot open it: {one_line(error)}") from error
    try:
        with file:
            _check_datasets(file, max_bytes)
            config = file.attrs.get("model_config")
            if config is None:
                raise ModelRejected(
                    ModelFault.NOT_A_MODEL,
                    "an HDF5 file without a model in it (weights alone? use model.save)",
                )
            check_config(config)
            card = file.attrs.get(CARD)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise ModelRejected(
            ModelFault.TRUNCATED, f"HDF5 cannot read all of it: {one_line(error)}; {COPY_AGAIN}"
        ) from error
    if card is not None and not isinstance(card, str | bytes):
        raise ModelRejected(ModelFault.BAD_CARD, f"the attribute {CARD} is not a text; write it as JSON")
    return card


def check_keras_archive(path: Path, max_bytes: int) -> str | bytes | None:
    """Like `check_hdf5`, for the zip archive of a `.keras` file; its card is the member `model_card.json`."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {member.filename: member for member in archive.infolist()}
            unpacked = sum(member.file_size for member in members.values())
            if unpacked > max_bytes or len(members) > _MAX_NODES:
                raise ModelRejected(
                    ModelFault.TOO_LARGE, f"unpacks to {unpacked:,} bytes, over the {max_bytes:,} that vetting allows"
                )
            if not {"config.json", _WEIGHTS_MEMBER} <= set(members):
                raise ModelRejected(
                    ModelFault.NOT_A_MODEL, "a zip archive without a Keras model in it; save it with model.save"
                )
            if any(member.filename.startswith("assets/") and not member.is_dir() for member in members.values()):
                raise ModelRejected(ModelFault.UNSUPPORTED_LAYER, "has a layer that keeps files beside its weights")
            check_config(archive.read("config.json"), untrained=True)
            card = archive.read(CARD_MEMBER) if CARD_MEMBER in members else None
            extracted = Path(archive.extract(_WEIGHTS_MEMBER, path.parent / "archive"))
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise ModelRejected(
            ModelFault.TRUNCATED, f"the archive is incomplete or damaged: {one_line(error)}; {COPY_AGAIN}"
        ) from error
    except (OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise ModelRejected(ModelFault.NOT_A_MODEL, f"the archive cannot be read: {one_line(error)}") from error
    try:
        with h5py.File(extracted, "r") as file:
            _check_datasets(file, max_bytes)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise ModelRejected(
            ModelFault.NOT_A_MODEL, f"its weights cannot be read: {one_line(error)}; save the model again"
        ) from error
    finally:
        extracted.unlink()
    return card


def configuration_of(path: Path, kind: FileKind) -> tuple[Any, str | None]:
    """The Keras configuration in a file that has passed its check, parsed, and which version of Keras saved it."""
    if kind == "hdf5":
        with h5py.File(path, "r") as file:
            version = file.attrs.get("keras_version")
            return json.loads(file.attrs["model_config"]), version.decode() if isinstance(version, bytes) else version
    with zipfile.ZipFile(path) as archive:
        metadata = json.loads(archive.read("metadata.json")) if "metadata.json" in archive.namelist() else {}
        return json.loads(archive.read("config.json")), metadata.get("keras_version")


def _check_datasets(file: h5py.File, max_bytes: int) -> None:
    total = 0
    for node, dataset in enumerate(_datasets(file)):
        if dataset.external or dataset.is_virtual:
            raise ModelRejected(
                ModelFault.UNSAFE_CODE, f"{one_line(dataset.name)} takes its data from another file; {ONE_FILE}"
            )
        total += dataset.nbytes
        if total > max_bytes or node > _MAX_NODES:
            raise ModelRejected(
                ModelFault.TOO_LARGE, f"unpacks to over {total:,} bytes, and vetting allows {max_bytes:,}"
            )


def _datasets(group: h5py.Group) -> Iterator[h5py.Dataset]:
    """Every dataset below `group`, each once; an external link is refused before it is followed."""
    seen: set[Any] = set()
    waiting = [group]
    while waiting:
        current = waiting.pop()
        for name in current:
            link = current.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise ModelRejected(
                    ModelFault.UNSAFE_CODE,
                    f"{one_line(name, 60)} is a link to another file, {one_line(link.filename, 60)}; {ONE_FILE}",
                )
            if isinstance(link, h5py.SoftLink):
                continue
            item = current[name]
            if isinstance(item, h5py.Dataset):
                yield item
            elif isinstance(item, h5py.Group) and item.id not in seen:
                seen.add(item.id)
                if len(seen) > _MAX_NODES:
                    raise ModelRejected(ModelFault.TOO_LARGE, f"has more than {_MAX_NODES:,} groups")
                waiting.append(item)
