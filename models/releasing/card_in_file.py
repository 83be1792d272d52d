"""The card inside a model file: reading it, and writing it in place of the one that is there."""

from __future__ import annotations

import errno
import json
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from models.card import MAX_CARD_BYTES, parse_card
from models.errors import ModelFault, ModelRejected, one_line
from models.storage.errors import FULL_DISK
from models.vetting.file_checks import CARD, CARD_MEMBER, identify

_CHUNK_BYTES = 1 << 20


def embedded_card(path: Path) -> dict[str, Any]:
    """The card that a model file bears; an empty one where it bears none.

    Raises:
        ModelRejected: `not_a_model`, `truncated` or `bad_card`.
        ImportError: the package that reads files of its kind is missing.
    """
    kind = identify(path)
    with _damage_is_a_rejection():
        text = {"hdf5": _card_of_hdf5, "keras": _card_of_keras, "onnx": _card_of_onnx}[kind](path)
    if text is None:
        return {}
    if not isinstance(text, str | bytes):
        raise ModelRejected(ModelFault.BAD_CARD, f"the attribute {CARD} is not a text")
    return parse_card(text)


def embed_card(path: Path, card: Mapping[str, Any]) -> None:
    """Writes a card into a model file, in place of the one that it bears. Give it a copy, never a user's own file.

    Raises:
        ModelRejected: `not_a_model`, `truncated`, or `bad_card` for a card over 4 MiB.
        ImportError: the package that reads files of its kind is missing.
    """
    text = json.dumps(card, ensure_ascii=False)
    if len(text.encode()) > MAX_CARD_BYTES:
        raise ModelRejected(ModelFault.BAD_CARD, f"the card is larger than {MAX_CARD_BYTES} bytes")
    kind = identify(path)
    with _damage_is_a_rejection():
        {"hdf5": _embed_in_hdf5, "keras": _embed_in_keras, "onnx": _embed_in_onnx}[kind](path, text)


@contextmanager
def _damage_is_a_rejection() -> Iterator[None]:
    """Tells what h5py, zipfile and protobuf raise for a damaged file in this project's words."""
    try:
        yield
    except (ModelRejected, ImportError):  # a package that is missing is this machine's fault
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (*FULL_DISK, errno.EACCES, errno.EROFS):
            raise
        fault = ModelFault.TRUNCATED if "truncated" in str(error) else ModelFault.NOT_A_MODEL
        raise ModelRejected(fault, f"it cannot be opened: {one_line(error)}") from error


def _card_of_hdf5(path: Path) -> Any:
    import h5py

    with h5py.File(path, "r") as file:
        return file.attrs.get(CARD)


def _embed_in_hdf5(path: Path, text: str) -> None:
    import h5py

    with h5py.File(path, "r+") as file:
        # A str becomes a variable-length string, which HDF5 keeps in its global heap: the limit of 64 KiB on an
        # attribute holds for fixed-length ones, and twenty thousand labels take more.
        file.attrs[CARD] = text


def _card_of_keras(path: Path) -> bytes | None:
    with zipfile.ZipFile(path) as archive:
        if CARD_MEMBER not in archive.namelist():
            return None
        if archive.getinfo(CARD_MEMBER).file_size > MAX_CARD_BYTES:
            raise ModelRejected(ModelFault.BAD_CARD, f"the card is larger than {MAX_CARD_BYTES} bytes")
        return archive.read(CARD_MEMBER)


def _embed_in_keras(path: Path, text: str) -> None:
    if _card_of_keras(path) is None:  # which also proves that this is an archive: mode "a" appends to anything
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(CARD_MEMBER, text)
        return
    # A zip archive cannot lose a member: the others move into a new one.
    rewritten = path.with_name(f"{path.name}.rewritten")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(rewritten, "w") as new:
        for member in old.infolist():
            if member.filename != CARD_MEMBER:
                with old.open(member) as source, new.open(member, "w", force_zip64=True) as target:
                    shutil.copyfileobj(source, target, _CHUNK_BYTES)
        new.writestr(CARD_MEMBER, text)
    rewritten.replace(path)


def _card_of_onnx(path: Path) -> str | None:
    import onnx

    model = onnx.load_model(path, load_external_data=False)
    return next((entry.value for entry in model.metadata_props if entry.key == CARD), None)


def _embed_in_onnx(path: Path, text: str) -> None:
    import onnx

    model = onnx.load_model(path, load_external_data=False)
    kept = [entry for entry in model.metadata_props if entry.key != CARD]
    del model.metadata_props[:]
    model.metadata_props.extend([*kept, onnx.StringStringEntryProto(key=CARD, value=text)])
    path.write_bytes(model.SerializeToString())
