"""What treacherous models are asked, what becomes of it, and the process of a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from models.errors import ImageFault
from models.hosting.hosted_engine import HostedEngine
from tests.treacherous_models import SIDE, TRIGGER


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
