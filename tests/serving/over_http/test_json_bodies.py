"""What takes long is done away from the event loop, and what does not is not sent anywhere."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.reference import ModelReference
from serving.asking import Answer, Spent
from serving.over_http.json_bodies import made_from

SMALL: dict[str, NDArray[Any]] = {
    "scores of one image": np.zeros((1, 1000), np.float32),
    "labels": np.array(["cat", "dog"], object),
}
LARGE: dict[str, NDArray[Any]] = {
    "scores of many images": np.zeros((32, 1000), np.float32),
    "masks": np.array([bytes(50_000), bytes(50_000)], object),
}


def made_in_a_thread(values: NDArray[Any]) -> bool:
    answer = Answer(ModelReference("m.onnx", "0" * 64), {"output": values}, Spent(0, 0, 0, 1, 0))
    here: Callable[[], threading.Thread] = threading.current_thread
    with ThreadPoolExecutor(1) as threads:
        return asyncio.run(made_from(answer, here, threads)) is not threading.current_thread()


@pytest.mark.parametrize("what", SMALL)
def test_a_small_answer_is_written_at_once(what: str) -> None:
    assert not made_in_a_thread(SMALL[what])


@pytest.mark.parametrize("what", LARGE)
def test_a_large_answer_is_written_away_from_the_event_loop(what: str) -> None:
    assert made_in_a_thread(LARGE[what])
