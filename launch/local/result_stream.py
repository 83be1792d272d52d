"""Follows the results of a run as they are written, to tell how the run is doing."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from launch.command_line import CommandFailed

_RECENT = 1000
_READER_SECONDS = 60.0


@dataclass
class Pace:
    """How a run is doing.

    Attributes:
        to_prediction: seconds from publishing to predicting, of the last thousand results.
        trouble: why standard output takes no more results; "" while it does.
    """

    to_prediction: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))
    trouble: str = ""

    def take(self, line: bytes) -> None:
        """Takes one result line into account."""
        self.to_prediction.append(seconds_to_prediction(json.loads(line)))

    def percentile(self, percent: float) -> float:
        """Seconds to prediction that `percent` of the last thousand results stayed below; 0 without results."""
        return float(np.percentile(list(self.to_prediction), percent)) if self.to_prediction else 0.0


def seconds_to_prediction(record: Mapping[str, Any]) -> float:
    """Seconds from the publishing of a result's message to its prediction, writing it left out; 0 where not told."""
    if not record["publish_time"]:
        return 0.0
    ended, began = (datetime.fromisoformat(record[key]) for key in ("predict_time", "publish_time"))
    return (ended - began).total_seconds()


@contextlib.contextmanager
def follow(output: str, pace: Pace) -> Iterator[str]:
    """Follows the results into `pace`; for `-` it passes them on to standard output, and ends when they are there.

    Yields:
        The path that the job should append to.

    Raises:
        CommandFailed: at the end; whoever reads standard output has not done so for a minute.
    """
    if output == "-":
        with _standard_output(pace) as path:
            yield path
        return
    file = Path(output)
    if file.exists() and not file.is_file():  # a pipe or a device: what is written there cannot be read again
        yield output
        return
    stop = threading.Event()
    begin = file.stat().st_size if file.exists() else 0
    thread = threading.Thread(target=_tail, args=(file, begin, pace, stop), name="follow results", daemon=True)
    thread.start()
    try:
        yield output
    finally:
        stop.set()
        thread.join()


@contextlib.contextmanager
def _standard_output(pace: Pace) -> Iterator[str]:
    reading, writing = os.pipe()
    sys.stdout.flush()

    def copy() -> None:
        with open(reading, "rb") as lines:
            for line in lines:
                try:
                    _write_all(sys.stdout.fileno(), line)
                except OSError as error:
                    pace.trouble = f"standard output cannot be written: {error.strerror}"
                    return
                pace.take(line)

    thread = threading.Thread(target=copy, name="follow results", daemon=True)
    thread.start()
    try:
        yield f"/dev/fd/{writing}"
    finally:
        os.close(writing)
    thread.join(_READER_SECONDS)
    if thread.is_alive():
        raise CommandFailed(f"standard output was not read for {_READER_SECONDS:.0f} s; the last results are lost")


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _tail(path: Path, position: int, pace: Pace, stop: threading.Event) -> None:
    while True:
        ending = stop.wait(0.2)
        with contextlib.suppress(OSError), path.open("rb") as file:
            file.seek(position)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                position += len(line)
                pace.take(line)
        if ending:
            return
