"""What treacherous models are asked, what becomes of it, and the process of a model."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from models.errors import ImageFault
from models.hosting.hosted_engine import HostedEngine
from tests.treacherous_models import SIDE, TRIGGER
from tests.waiting import eventually


def of_brightness(*brightness: int) -> NDArray[Any]:
    """An image of each brightness, as treacherous models take them."""
    return np.stack([np.full((SIDE, SIDE, 3), each, np.float32) for each in brightness])


GOOD, BAD = of_brightness(1, 2, 3), of_brightness(1, TRIGGER)
WORDS = {
    "wider_row": ImageFault.WRONG_ANSWER_SHAPE,
    "one_row_more": ImageFault.WRONG_ANSWER_SHAPE,
    "endless": ImageFault.MODEL_TIMED_OUT,
    "allocates": ImageFault.MODEL_OUT_OF_MEMORY,
    "crashes": ImageFault.MODEL_CRASHED,
}


def host_of(engine: HostedEngine) -> psutil.Process:
    return psutil.Process(engine._host._process.pid)


def signal_host(engine: HostedEngine, number: int) -> psutil.Process:
    """Sends a signal to the process of a model; one that is stopped is so, to its last thread, when this returns."""
    host = host_of(engine)
    host.send_signal(number)
    if number == signal.SIGSTOP:
        tasks = Path(f"/proc/{host.pid}/task")
        eventually(lambda: all(_state(each) == "T" for each in tasks.iterdir()), "every thread of the host to stop")
    return host


def _state(task: Path) -> str:
    return (task / "stat").read_text().rpartition(")")[2].split()[0]
