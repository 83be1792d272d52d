"""From encoded images to what a model takes, in threads: an image of each request in turn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.artefacts import Manifest
from models.compute_threads import cores
from models.errors import ImageError, typed_line
from models.images.decoding import DecodeLimits, Raster, decode_image
from models.images.model_input import model_input
from models.live import LiveModel
from serving.asking import IMAGES, Answer, Asked, Code, Refused, refusal_of
from serving.trials.part import Part

Outcome = Answer | Refused
Prepares = Callable[[bytes, Manifest], tuple[NDArray[Any], Raster]]
"""Makes of an encoded image what a model takes, shape (1, *input_shape), and the outline of the image."""


@dataclass(eq=False, slots=True)
class Job:
    """A request on its way.

    Attributes:
        asked: by the client.
        model: that was live when it came, and answers it.
        outcome: to be set on the event loop. A refusal is set as a value: raised, it would hold on to the model.
        deadline: by the monotonic clock, after which nobody waits.
        values: what the model takes, shape (n, *input_shape), once all of it is there.
        outlines: of the images; None where the client made the model's input itself.
        part: that it has in a trial; None where it has none, or once nobody waits.
        is_apart: whether its model is one that is tried.
    """

    asked: Asked
    model: LiveModel
    outcome: asyncio.Future[Outcome]
    deadline: float
    values: NDArray[Any] = field(default_factory=lambda: np.empty(0))
    outlines: list[Raster | None] = field(default_factory=list)
    arrived: float = field(default_factory=time.monotonic)
    ready: float = 0.0
    part: Part | None = None
    is_apart: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.outcome.done() or time.monotonic() >= self.deadline

    def refuse(self, refused: Refused) -> None:
        """Ends it without an answer, from any thread."""
        settle([(self, refused)])


def settle(outcomes: Sequence[tuple[Job, Outcome]]) -> None:
    """Gives each job its outcome, from any thread; all of them wait on one event loop."""

    def on_the_loop() -> None:
        for job, outcome in outcomes:
            if not job.outcome.done():
                job.outcome.set_result(outcome)

    if outcomes:
        with suppress(RuntimeError):  # the event loop is closed: nobody waits
            outcomes[0][0].outcome.get_loop().call_soon_threadsafe(on_the_loop)


def require_fit(asked: Asked, model: LiveModel) -> None:
    """Does nothing where a model can answer a request.

    Raises:
        Refused: `INVALID_ARGUMENT`: a tensor of another name, dtype or shape.
    """
    if asked.tensor is None:
        return
    name, values = asked.tensor
    manifest = model.manifest
    if name and name != manifest.input_name:
        raise Refused(
            Code.INVALID_ARGUMENT,
            f"there is no input {name[:60]!r}; the live model takes {manifest.input_name!r}, or {IMAGES!r}",
        )
    if values.dtype != np.dtype(manifest.input_dtype) or values.shape[1:] != manifest.input_shape:
        wanted = f"{manifest.input_dtype} {[-1, *manifest.input_shape]}"
        given = f"{values.dtype.name} {list(values.shape)}"
        raise Refused(
            Code.INVALID_ARGUMENT, f"the input {manifest.input_name!r} is {wanted}, and {given} was given"[:300]
        )


def takes_the_same(one: Manifest, other: Manifest) -> bool:
    """Whether what one model takes of an image is what the other one does."""
    is_fitted_alike = one.card.input == other.card.input
    return is_fitted_alike and (one.input_shape, one.input_dtype) == (other.input_shape, other.input_dtype)


class Preparer:
    """Threads that decode and fit, so that what waits for a batch is no larger than what the model takes.

    Each takes one image of a request, then one of the next: a request of many holds up none of few.

    Args:
        limits: what an image may cost.
        exact: never decode a large image at reduced size.
        done: is handed each job whose values are there, in a thread.
        unprepared: is told, in a thread, of each job that is refused for an image, and of which.
    """

    def __init__(
        self,
        limits: DecodeLimits,
        exact: bool,
        done: Callable[[Job], None],
        unprepared: Callable[[Job, bytes], None] = lambda job, image: None,
    ) -> None:
        self._limits = limits
        self._exact = exact
        self._done = done
        self._unprepared = unprepared
        self._threads = ThreadPoolExecutor(cores(), thread_name_prefix="prepare")

    def begin(self, job: Job) -> None:
        """Has the images of a job prepared for its model."""
        images, manifest = len(job.asked.images), job.model.manifest
        job.outlines = [None] * images
        job.values = np.empty((images, *manifest.input_shape), manifest.input_dtype)
        given, left = iter(range(images)), iter(range(images - 1, -1, -1))
        for _ in range(min(images, cores())):
            self._submit(job, given, left)

    def prepared(self, data: bytes, manifest: Manifest) -> tuple[NDArray[Any], Raster]:
        """What a model takes of an encoded image, shape (1, *input_shape), and the image's outline.

        Raises:
            ImageError: it is no image, or costs more than it may.
        """
        spec = manifest.card.input
        raster = decode_image(data, limits=self._limits, needed=(spec.height, spec.width), exact=self._exact)
        return model_input([raster], manifest), raster.outline

    def close(self) -> None:
        """Begins nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _submit(self, job: Job, given: Iterator[int], left: Iterator[int]) -> None:
        with suppress(RuntimeError):  # it is closed, and the job refused
            self._threads.submit(self._next, job, given, left)

    def _next(self, job: Job, given: Iterator[int], left: Iterator[int]) -> None:
        """Prepares the next image of a job; several threads take numbers from `given` and `left`, one at a time."""
        if job.is_over or (index := next(given, None)) is None:
            return
        try:
            self._prepare(job, index)
        except ImageError as error:
            job.refuse(refusal_of(error, index, len(job.outlines)))
            self._unprepared(job, job.asked.images[index])
        except Exception as error:  # a decoder that runs out of memory, say
            job.refuse(Refused(Code.INTERNAL, typed_line(error)))
        else:
            if next(left) == 0:
                self._done(job)
            else:
                self._submit(job, given, left)

    def _prepare(self, job: Job, index: int) -> None:
        [job.values[index]], job.outlines[index] = self.prepared(job.asked.images[index], job.model.manifest)
