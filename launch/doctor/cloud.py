"""Google credentials, and the emulators that stand in for Google's services."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

from launch.doctor.findings import Finding
from models.errors import one_line
from models.storage.cloud import STORAGE_EMULATOR_HOST
from models.storage.credentials import HOW_TO_GET_CREDENTIALS, find_credentials
from transforms.pubsub import EMULATOR_VARIABLE

REACH_SECONDS = 2.0


def credentials() -> Iterator[Finding]:
    """Google credentials: needed for real buckets and topics, and for nothing else."""
    try:
        found = find_credentials()
    except Exception as error:  # a damaged key file; google-auth raises what it likes
        yield Finding("fail", f"Google credentials: {one_line(error)}", HOW_TO_GET_CREDENTIALS)
        return
    if found is not None:
        yield Finding("ok", "Google credentials found")
    else:
        yield Finding(
            "warn", "no Google credentials; only gs://, Pub/Sub and Dataflow need them", HOW_TO_GET_CREDENTIALS
        )


def emulators() -> Iterator[Finding]:
    """The emulators that the environment names."""
    remedies = {
        EMULATOR_VARIABLE: "start it (python -m launch.pubsub_emulator), or unset the variable",
        STORAGE_EMULATOR_HOST: "start it, or unset the variable",
    }
    for variable, remedy in remedies.items():
        if value := os.environ.get(variable):
            if trouble := _unreachable(value):
                yield Finding("fail", f"{variable}={value} cannot be reached: {trouble}", remedy)
            else:
                yield Finding("ok", f"{variable}={value} answers")


def _unreachable(address: str) -> str:
    """Why nothing answers at `[http://]HOST:PORT`; "" if something does."""
    host, _, port = address.rpartition("://")[2].rstrip("/").rpartition(":")
    if not host or not port.isdigit():
        return "HOST:PORT is expected"
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH_SECONDS).close()
    except (OSError, OverflowError) as error:
        return one_line(getattr(error, "strerror", None) or error)
    return ""
