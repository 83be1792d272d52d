"""Images that others ask a studio's stream for, beside who draws on the page."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from benchmarks.studio.running import RunningStudio
from launch.command_line import CommandFailed
from transforms.pubsub.publisher import OneTry

_EMULATOR = "PUBSUB_EMULATOR_HOST"
_TOLD = re.compile(rf"images: below (?P<folder>.+), by {_EMULATOR}=(?P<address>\S+) topic=(?P<topic>\S+)")


def ask_for(studio: RunningStudio, images: Mapping[str, bytes]) -> None:
    """Writes files where the stream may read them, and publishes their paths; this process speaks to its emulator then.

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
    os.environ[_EMULATOR] = told["address"]
    topic = OneTry(told["topic"])
    for name, content in images.items():
        path = f"{told['folder']}/{name}"
        with open(path, "wb") as file:
            file.write(content)
        topic.publish(path.encode())
