"""What every engine can do, and what engines have in common."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from models.artefacts import Manifest
from models.compute_threads import compute_threads

WHOLE_BATCH = sys.maxsize
_ROUND, _HANDED = 0.02, 0.05
"""Of the time of a largest run: what another round costs, and what it costs to hand runs to threads."""
_MORE_ROUNDS = 3

Outputs = tuple[NDArray[Any], ...]
"""Each output of a model, in its own order: shape (n, …), one answer a row."""
Predict = Callable[[NDArray[Any]], Outputs]
"""From a batch, as the model takes it, shape (n, …), n ≥ 1."""


class Engine(Protocol):
    """A loaded model. Threads may call `predict` side by side.

    Attributes:
        largest_run: images that it computes at once, over all threads; a larger batch takes turns.
    """

    largest_run: int

    def predict(self, batch: NDArray[Any]) -> Outputs:
        """Runs the model once.

        Args:
            batch: shape (n, *input_shape) with the manifest's `input_shape` and `input_dtype`, n ≥ 1.
        """


@runtime_checkable
class AnswersElsewhere(Protocol):
    """An engine that computes in another process, so that the one who asks may do something else meanwhile."""

    def ask(self, batch: NDArray[Any]) -> Callable[[], Outputs]:
        """Begins to answer, if that can be at once.

        Args:
            batch: as `Engine.predict` takes it.

        Returns:
            What waits for the answer, and raises what `Engine.predict` does. It is to be called once, whatever happens
            meanwhile, and before the same thread asks the same engine anything else: until then it may hold room that
            others wait for.
        """

    def alone(self) -> AbstractContextManager[None]:
        """Answers this thread alone, once all calls under way are over; others wait until it is left."""


def images_within(run_bytes: int, manifest: Manifest) -> int:
    """How many images, as a model takes them, are at most `run_bytes`; at least one."""
    return max(1, run_bytes // manifest.image_bytes)


def images_of_a_run(run_bytes: int, manifest: Manifest, fixed: int | None) -> int:
    """How many images are computed at once, as input of at most `run_bytes`; whole batches where those are `fixed`."""
    run = images_within(run_bytes, manifest)
    return max(fixed, run - run % fixed) if fixed else run


def in_runs(answer: Predict, batch: NDArray[Any], run: int, threads: int, unit: int = 1) -> Outputs:
    """What is answered to a batch of any size.

    Args:
        answer: to at most `run` images.
        batch: shape (n, …).
        run: images.
        threads: on how many runs are computed side by side.
        unit: a run is of a multiple of so many, but the last.
    """
    if threads > 1:
        run = even_run(len(batch), run, threads, unit)
    if len(batch) <= run:
        return answer(batch)
    runs = [batch[start : start + run] for start in range(0, len(batch), run)]
    return _joined((compute_threads().map if threads > 1 else map)(answer, runs))


def even_run(images: int, most: int, threads: int, unit: int = 1) -> int:
    """How many images each run of a batch should have, so that no thread is idle for long while others compute.

    Thirty images are computed sooner on two threads as ten runs of three than as seven of four and one of two.

    Args:
        images: of the batch.
        most: of a run; where a batch has far fewer, handing some to another thread would take longer than computing.
        threads: on how many runs are computed side by side.
        unit: a run is of a multiple of so many.
    """
    fewest = max(1, -(-images // (most * threads)))
    shares = [-(-images // (rounds * threads)) for rounds in range(fewest, fewest + _MORE_ROUNDS)]
    runs = [min(most, max(1, -(-share // unit)) * unit) for share in shares]

    def cost(run: int) -> float:
        rounds = -(-images // (run * threads))
        return rounds * (min(run, images) + _ROUND * most) + (_HANDED * most if run < images else 0)

    return min([most, *runs], key=cost)


def by_fixed_batches(answer: Predict, fixed: int | None) -> Predict:
    """What a model that takes `fixed` images, neither more nor fewer, as many exporters write it, makes of any number.

    It runs as often as needed; the last image stands in for what is missing. Where any number will do (None), it is the
    model's own answer.
    """
    if fixed is None:
        return answer

    def run(batch: NDArray[Any]) -> Outputs:
        missing = -len(batch) % fixed
        whole = np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)]) if missing else batch
        outputs = _joined(answer(whole[start : start + fixed]) for start in range(0, len(whole), fixed))
        # A model whose answers are not one an image is found out by their number.
        return tuple(output[: len(output) - missing] for output in outputs)

    return run


def _joined(parts: Iterable[Outputs]) -> Outputs:
    return tuple(np.concatenate(rows) for rows in zip(*parts, strict=True))
