"""How this project's data lies on the disk: each file is written whole, in one step, and nothing is a pickle."""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from kedro.io import AbstractDataset, DatasetError

from models.printable import json_text
from models.storage.local_writing import replace_locally, write_locally
from studio.retraining.digits import Digits


class Arrays(AbstractDataset[Digits, Digits]):
    """Images and their labels in one `.npz` file.

    Args:
        filepath: of the file; its folder is made.
    """

    def __init__(self, filepath: str) -> None:
        self._path = Path(filepath)

    def load(self) -> Digits:
        """Reads them.

        Raises:
            DatasetError: there is no such file, or it is none that `save` writes.
        """
        with np.load(self._path, allow_pickle=False) as arrays:
            return Digits(arrays["pixels"], arrays["labels"])

    def save(self, data: Digits) -> None:
        """Writes them.

        Raises:
            DatasetError: the folder cannot be written.
        """
        written = io.BytesIO()
        np.savez(written, pixels=data.pixels, labels=data.labels)
        _write(self._path, written.getvalue())

    def _exists(self) -> bool:
        return self._path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}


class JsonFile(AbstractDataset[dict[str, Any], dict[str, Any]]):
    """A JSON object in a file.

    Args:
        filepath: of the file; its folder is made.
    """

    def __init__(self, filepath: str) -> None:
        self._path = Path(filepath)

    def load(self) -> dict[str, Any]:
        """Reads it.

        Raises:
            DatasetError: there is no such file, or it is no JSON.
        """
        value: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
        return value

    def save(self, data: dict[str, Any]) -> None:
        """Writes it.

        Raises:
            DatasetError: the folder cannot be written.
        """
        _write(self._path, (json_text(data, indent=2) + "\n").encode())

    def remove(self) -> None:
        """Takes the file away, if there is one.

        Raises:
            OSError: it stays.
        """
        self._path.unlink(missing_ok=True)

    def _exists(self) -> bool:
        return self._path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}


class KerasModel(AbstractDataset[Any, Any]):
    """A model of Keras that this project made.

    Args:
        filepath: of the `.keras` file; its folder is made.
    """

    def __init__(self, filepath: str) -> None:
        self._path = Path(filepath)

    def load(self) -> Any:
        """Reads it, without what it was trained with.

        Raises:
            DatasetError: there is no such file, or Keras does not take it.
        """
        import keras

        return keras.models.load_model(self._path, compile=False, safe_mode=True)

    def save(self, data: Any) -> None:
        """Writes it.

        Raises:
            DatasetError: the folder cannot be written.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="hotswap-retraining-") as folder:
            whole = Path(folder) / self._path.name
            data.save(whole)
            replace_locally(whole, str(self._path))

    def _exists(self) -> bool:
        return self._path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}


class Folder(AbstractDataset[None, Path]):
    """A folder, or a file that others write: what is loaded is its path.

    Args:
        filepath: its path.
    """

    def __init__(self, filepath: str) -> None:
        self._path = Path(filepath)

    def load(self) -> Path:
        """The path, whether something is there or not."""
        return self._path

    def save(self, data: None) -> None:
        """Nothing is written here.

        Raises:
            DatasetError: always.
        """
        raise DatasetError(f"{self._path} is written by others")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_locally(data, str(path))
