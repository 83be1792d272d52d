"""How the emulator says no: one exception for each gRPC status code that it answers with."""

from __future__ import annotations

from typing import ClassVar


class EmulatorError(Exception):
    """Anything the emulator refuses, or cannot do; its text is one line for a person.

    Attributes:
        status: the name of the gRPC status code that a client sees.
    """

    status: ClassVar[str] = "FAILED_PRECONDITION"


class InvalidArgumentError(EmulatorError):
    """A request that the real service would refuse whatever its state."""

    status = "INVALID_ARGUMENT"


class NotFoundError(EmulatorError):
    """A topic or subscription that does not exist, or no longer does."""

    status = "NOT_FOUND"


class AlreadyExistsError(EmulatorError):
    """A topic or subscription whose name is taken."""

    status = "ALREADY_EXISTS"


class UnsupportedError(EmulatorError):
    """Something that the real service does and this emulator does not."""

    status = "UNIMPLEMENTED"


class BusyError(EmulatorError):
    """More streams at once, or messages kept, than the emulator has room for."""

    status = "RESOURCE_EXHAUSTED"


class StoppedError(EmulatorError):
    """The emulator is stopping; Google's clients try again after this one."""

    status = "UNAVAILABLE"
