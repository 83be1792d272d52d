"""Where a device's twin is read, and told what the device does: its fleet's server, or whoever stands in its place."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from models.components.twin import Reported, Twin


class TwinTrouble(StrEnum):
    """Why a twin is not read, or not told; people are told in a sentence."""

    UNREACHABLE = "unreachable"
    """Nobody answers, or not now."""
    DENIED = "denied"
    """Whoever answers does not take the device for the one that it says it is."""
    MALFORMED = "malformed"
    """What answers is no twin, or not this device's."""


class TwinUnavailable(Exception):  # noqa: N818 - named for the state it reports
    """The twin could not be read, or not be told; its text is one line that says what to do.

    Attributes:
        word: what kind of trouble it is.
    """

    def __init__(self, word: TwinTrouble, detail: str) -> None:
        super().__init__(detail)
        self.word = word


class TwinSource(Protocol):
    """One device's twin."""

    def read(self, etag: str | None) -> Twin | None:
        """The twin, with addresses that live for a while.

        Args:
            etag: of what was read last; the answer is None where that has not changed. None to read it whatever it is.

        Raises:
            TwinUnavailable: it cannot be read.
        """

    def report(self, reported: Reported) -> None:
        """Tells what the device does, in place of all that it told before.

        Raises:
            TwinUnavailable: it cannot be told.
        """

    def close(self) -> None:
        """Lets go of connections; it may be asked again afterwards."""
