"""The files that a local run writes, made ready for whole lines."""

from __future__ import annotations

from pathlib import Path

from launch.command_line import CommandRefused
from models.json_lines import drop_half_line
from models.printable import logger

_LOGGER = logger(__name__)


def ready_file(output: str) -> str:
    """The file that an output option names, made ready for whole lines.

    Raises:
        CommandRefused: it cannot be written.
    """
    path = Path(output)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        cut = drop_half_line(path)
        with path.open("ab"):
            pass
    except OSError as error:
        raise CommandRefused(f"{output} cannot be written: {error.strerror or error}") from error
    if cut:
        _LOGGER.warning("%s ended in half a line of a killed run; its %d bytes were cut off", output, cut)
    return str(path)
