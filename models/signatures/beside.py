"""A signature's file, beside its model's."""

from __future__ import annotations

from dataclasses import replace

from models.errors import ModelFault, ModelRejected
from models.storage import Storage, StoredFile
from models.storage.reading import read_small

SIGNATURE_SUFFIX = ".sig"
"""What a signature's name has after its model's: `digits.h5.sig`."""
_MOST_BYTES = 1 << 20
"""A signature has two or three thousand."""


def without_signatures(files: list[StoredFile]) -> list[StoredFile]:
    """Patterns such as `models/*` list signatures too."""
    return [file for file in files if not file.uri.endswith(SIGNATURE_SUFFIX)]


def with_versions_of_signatures(files: list[StoredFile], storage: Storage, pattern: str) -> list[StoredFile]:
    """Files that change when their signatures do: a verdict on who made one is of the two together.

    Args:
        files: that match `pattern`.
        storage: lists the signatures.
        pattern: of model files.

    Raises:
        StorageUnavailable: the storage gave no answer.
    """
    signatures = {file.uri: file.version for file in storage.list(pattern + _after(pattern))}
    return [
        replace(file, version=f"{file.version} signed {signatures.get(file.uri + SIGNATURE_SUFFIX, 'not yet')}")
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
