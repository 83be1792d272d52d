"""TensorFlow Serving's signature and its versions' statuses, the same over gRPC and over HTTP."""

from __future__ import annotations

from serving.asking import Code, Refused
from serving.core import Core
from serving.statuses import State, Status

SIGNATURE = "serving_default"
"""The one that there is."""
METHOD = "tensorflow/serving/predict"
"""Of the signature."""
_UNKNOWN = "UNKNOWN", 2
_OK = "OK", 0


def require_signature(name: object) -> None:
    """Refuses any but the one that there is, by its name or "".

    Raises:
        Refused: `INVALID_ARGUMENT`.
    """
    if name not in ("", SIGNATURE):
        raise Refused(Code.INVALID_ARGUMENT, f"there is no signature {str(name)[:60]!r}; there is {SIGNATURE!r}")


def statuses_of(core: Core, version: int | None) -> list[Status]:
    """What is told of a version, or of all of them.

    Args:
        core: that is asked.
        version: see `version_of`; None for all.

    Raises:
        Refused: `NOT_FOUND`: nothing is known of it.
    """
    found = [each for each in core.statuses.all() if version is None or each.version == version]
    if version is not None and not found:
        raise Refused(Code.NOT_FOUND, f"nothing is known of version {version}")
    return found


def error_code(status: Status) -> tuple[str, int]:
    """The code of a version that ended, by its name and its number: whether it did otherwise than well."""
    return _UNKNOWN if status.reason and status.state is State.END else _OK
