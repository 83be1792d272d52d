"""What is compared: three ways of classifying images, what each is told and what each answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

WAYS = ("ours", "stock", "bare")


@dataclass(frozen=True, slots=True)
class Timing:
    """One bounded run.

    Attributes:
        images: how many were classified.
        seconds: from the first image that entered to the last answer; loading and first use are over by then.
        cpu_seconds: that the process used meanwhile, over all cores.
        first: the class of the first image, to see that the ways agree.
    """

    images: int
    seconds: float
    cpu_seconds: float
    first: int

    @property
    def rate(self) -> float:
        """Images a second."""
        return self.images / self.seconds


class Way(Protocol):
    """One way of classifying images, loaded."""

    def classify(self, paths: list[str]) -> Timing:
        """Classifies the images at `paths`, in this order."""


@runtime_checkable
class Single(Protocol):
    """A way that can be asked for one image after the other."""

    def one_by_one(self, paths: list[str]) -> list[float]:
        """Seconds that each image takes by itself, from its file to its answer."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a way needs to know.

    Attributes:
        way: one of `WAYS`.
        model: an `.h5` file; ours takes a glob of them too.
        cache: folder for compiled models.
        batch: most images in one call of the model.
        engine: what `--engine` says; nothing to the stock way.
        bundles: how many are worked on at a time, by our way alone.
        poll_seconds: between two looks for a newer model, by our way alone.
    """

    way: str
    model: str
    cache: str
    batch: int = 32
    engine: str = "auto"
    bundles: int = 1
    poll_seconds: float = 3600.0


@contextmanager
def stopwatch() -> Iterator[list[float]]:
    """Yields what will be [wall seconds, CPU seconds of this process]."""
    taken: list[float] = []
    wall, cpu = time.perf_counter(), time.process_time()
    yield taken
    taken += [time.perf_counter() - wall, time.process_time() - cpu]
