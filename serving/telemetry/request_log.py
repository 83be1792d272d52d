"""The access log: a JSON line for each request."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models.errors import typed_line
from models.json_lines import append_whole
from models.moments import rfc3339
from models.printable import json_text, logger
from serving.telemetry.call import Call

_LOGGER = logger(__name__)

_STANDARD_OUTPUT = 1


class RequestLog:
    """Writes lines of requests that are over.

    A file is opened for each write: where it was moved away, the next lines are in a new one of its name.

    Args:
        path: of the file; None for standard output.

    Raises:
        OSError: it cannot be written to.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._is_failing = False
        if path is not None and not path.is_fifo():  # which may have no reader yet
            append_whole(path, b"")

    def write(self, calls: Sequence[Call]) -> int:
        """Writes a line for each; returns how many could not be, and says so once."""
        data = "".join(json_text(record(call)) + "\n" for call in calls).encode("utf-8", "backslashreplace")
        try:
            self._append(data)
        except OSError as error:
            if not self._is_failing:
                _LOGGER.warning("the access log cannot be written, requests are answered: %s", typed_line(error))
            self._is_failing = True
            return len(calls)
        self._is_failing = False
        return 0

    def _append(self, data: bytes) -> None:
        if self._path is not None:
            append_whole(self._path, data)
            return
        written = 0
        while written < len(data):
            written += os.write(_STANDARD_OUTPUT, data[written:])


def record(call: Call) -> dict[str, Any]:
    """What a line says; what is not known of a request, or is nothing, is not there."""
    came = datetime.fromtimestamp(call.time_ns / 1e9, UTC)
    is_grpc = call.transport == "grpc"
    fields: dict[str, Any] = {
        "time": rfc3339(came),
        "transport": call.transport,
        "protocol": call.protocol,
        "method": call.method,
        "path": call.path,
        "client": call.client,
        "code": call.status if is_grpc else "",
        "status": "" if is_grpc else call.status,
        "seconds": round(call.seconds, 6),
        "bytes": call.size,
        "rows": call.rows or "",
        "model_id": call.model_id,
        **_spent(call),
        "error": call.error,
        "detail": call.detail,
        "request_id": call.request_id,
        "trace_id": call.trace_id,
    }
    return {name: value for name, value in fields.items() if value != ""}


def _spent(call: Call) -> dict[str, Any]:
    if call.spent is None:
        return {}
    spent = call.spent
    return {
        "decoding": round(spent.decoding, 6),
        "waiting": round(spent.waiting, 6),
        "computing": round(spent.computing, 6),
        "batch": spent.batch,
    }
