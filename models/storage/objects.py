"""Small named objects below one address, of which each is made once or compared and swapped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

MOST_OBJECT_BYTES = 1 << 20
"""Of an object that is read whole."""


class Found(NamedTuple):
    """An object as it was read.

    Attributes:
        data: its bytes, of which there are more than `MOST_OBJECT_BYTES` only where those of an object are cut off.
        version: what `ObjectStore.swap` expects of whoever read these.
    """

    data: bytes
    version: str


class ObjectStore(Protocol):
    """Objects by name, e.g. `verdicts/auto/0f3c.json`.

    Every method raises `StorageUnavailable` where it gets no answer.
    """

    @property
    def address(self) -> str:
        """Where they are, for people."""

    def read(self, name: str) -> Found | None:
        """An object; None where there is none."""

    def swap(self, name: str, data: bytes, expected: str | None) -> str | None:
        """Writes an object in one step, if it still is what its writer has seen.

        Writers whose bytes are the same to the last count as one: who loses an answer meets itself.

        Args:
            name: of the object.
            data: its new bytes.
            expected: `Found.version`; None where there should be no such object yet.

        Returns:
            Its new version; None where it was not written, since somebody else was first.
        """

    def remove(self, name: str, expected: str | None) -> bool:
        """Removes an object if it still is what was seen, or whatever it is where None is expected; whether it did."""

    def names(self, folder: str) -> Sequence[str]:
        """The names of the objects that begin with `folder`, which ends with a slash; in no particular order."""

    def upload(self, source: Path, name: str) -> None:
        """Makes an object of a file, in one step, and replaces what is there: for names that tell their content."""

    def download(self, name: str, target: Path, most: int) -> None:
        """Copies an object into a file.

        Raises:
            FileNotFoundError: there is no such object.
            ValueError: it has more than `most` bytes.
        """
