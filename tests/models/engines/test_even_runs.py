"""How a batch is shared out to threads: none of them waits long for the others, and tiny batches stay whole."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.engines.engine import WHOLE_BATCH, Outputs, even_run, in_runs


def rounds_of(images: int, run: int, threads: int) -> int:
    """Images that the thread with the most of them computes."""
    runs = -(-images // run)
    return -(-runs // threads) * min(run, images)


@pytest.mark.parametrize(("images", "expected"), [(1, 4), (2, 1), (4, 2), (5, 3), (12, 3), (28, 3), (30, 3), (32, 4)])
def test_photographs_are_shared_out_evenly_to_two_threads(images: int, expected: int) -> None:
    assert even_run(images, most=4, threads=2) == expected


@given(st.integers(0, 200), st.integers(1, 16), st.integers(1, 8))
def test_no_thread_has_more_to_do_than_with_runs_of_the_most(images: int, most: int, threads: int) -> None:
    run = even_run(images, most, threads)
    assert 1 <= run <= most
    assert not images or rounds_of(images, run, threads) <= rounds_of(images, most, threads)


@pytest.mark.parametrize("most", [10_000, WHOLE_BATCH])
def test_what_takes_no_time_is_handed_to_no_thread(most: int) -> None:
    assert even_run(32, most, threads=8) >= 32


@given(st.integers(1, 100), st.integers(1, 4), st.sampled_from([1, 2, 4, 8]))
def test_runs_of_a_model_that_takes_a_fixed_number_are_of_whole_batches(images: int, times: int, fixed: int) -> None:
    assert even_run(images, times * fixed, threads=2, unit=fixed) % fixed == 0


@given(st.integers(1, 60))
def test_the_answers_are_in_the_order_of_the_images_whatever_the_runs(images: int) -> None:
    batch = np.arange(images, dtype=np.float32)[:, None]
    sizes: list[int] = []
    lock = threading.Lock()

    def doubled(run: NDArray[Any]) -> Outputs:
        with lock:
            sizes.append(len(run))
        return (2 * run,)

    (answer,) = in_runs(doubled, batch, run=4, threads=2)
    assert np.array_equal(answer, 2 * batch)
    assert sum(sizes) == images
    assert max(sizes) <= 4
