"""A signature's file, beside its model's."""

from __future__ import annotations

from dataclasses import replace

from models.errors import ModelFault, ModelRejected
from models.storage import Storage, StoredFile
from models.storage.reading import read_small

SIGNATURE_SUFFIX = ".sig"
"""What a signature's name has after its model's: `digits.h5.sig`."""
_SIGNED = " signed "
_MOST_BYTES = 1 << 20
"""A signature has two or three thousand."""


def as_it_is_alone(file: StoredFile) -> StoredFile:
    """A file that was listed with its signature, as the storage itself knows it."""
    return replace(file, version=alone(file.version))


def alone(version: str) -> str:
    """Of the file itself, where it was listed with its signature."""
    return version.partition(_SIGNED)[0]


def list_models(storage: Storage, pattern: str, signed: bool = False) -> list[StoredFile]:
    """The files of a pattern that are no signatures, which patterns such as `models/*` list too.

    Args:
        storage: lists them.
        pattern: of model files.
        signed: whether a file is to change when its signature does: a verdict on who made it is of the two together.

    Raises:
        StorageUnavailable, InvalidAddress: see `Storage.list`.
    """
    files = [file for file in storage.list(pattern) if not file.uri.endswith(SIGNATURE_SUFFIX)]
    if not signed:
        return files
    signatures = {file.uri: file.version for file in storage.list(pattern + _after(pattern))}
    return [
        replace(file, version=f"{file.version}{_SIGNED}{signatures.get(file.uri + SIGNATURE_SUFFIX, 'not yet')}")
        for file in files
    ]


def read_signature(storage: Storage, uri: str) -> bytes | None:
    """The signature beside the model at `uri`; None where there is none.

    Raises:
        ModelRejected: `bad_signature`; it is too large for one.
        StorageUnavailable: the storage gave no answer.
    """
    try:
        return read_small(storage, uri + SIGNATURE_SUFFIX, _MOST_BYTES)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ModelRejected(ModelFault.BAD_SIGNATURE, f"its {SIGNATURE_SUFFIX} file {error}") from error


def _after(pattern: str) -> str:
    """`**` means files in any folder only where it is a part of its own."""
    crosses_folders = "://" not in pattern and pattern.rpartition("/")[2] == "**"
    return f"/*{SIGNATURE_SUFFIX}" if crosses_folders else SIGNATURE_SUFFIX
