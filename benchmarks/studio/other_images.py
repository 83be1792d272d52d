"""Images that others ask a studio's stream for, beside who draws on the page."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from benchmarks.studio.running import RunningStudio
from launch.command_line import CommandFailed
from transforms.pubsub.publisher import OneTry

_EMULATOR = "PUBSUB_EMULATOR_HOST"
_TOLD = re.compile(rf"images: below (?P<folder>.+), by {_EMULATOR}=(?P<address>\S+) topic=(?P<topic>\S+)")


def ask_for(studio: RunningStudio, images: Mapping[str, bytes]) -> None:
    """Writes files where the stream may read them, and publishes their paths to the studio's own emulator.

    Args:
        studio: that runs.
        images: their bytes, by the name of the file.

    Raises:
        CommandFailed: it does not say where.
        ConnectionError: its emulator does not answer.
    """
    found = list(_TOLD.finditer(studio.log))
    if not found:
        raise CommandFailed(f"the studio does not say where others ask: {studio.log[-2000:]}")
    told = found[-1]
    paths = []
    for name, content in images.items():
        paths.append(f"{told['folder']}/{name}")
        with open(paths[-1], "wb") as file:
            file.write(content)
    with _speaking_to(told["address"]):
        topic = OneTry(told["topic"])
        for path in paths:
            topic.publish(path.encode())


@contextmanager
def _speaking_to(emulator: str) -> Iterator[None]:
    """A studio that is started later from here has an emulator of its own."""
    before = os.environ.get(_EMULATOR)
    os.environ[_EMULATOR] = emulator
    try:
        yield
    finally:
        if before is None:
            del os.environ[_EMULATOR]
        else:
            os.environ[_EMULATOR] = before
