"""Runs the job in this process until told to stop, and keeps its books."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.io.gcp.pubsub import ReadFromPubSub
from apache_beam.options.pipeline_options import PipelineOptions

from beam_pipeline.options import JobOptions
from beam_pipeline.pipeline import build
from transforms import metrics
from transforms.serving import close_all, serving
from transforms.windowing import SideInputMode

_LOGGER = logging.getLogger(__name__)

_LOOK_SECONDS = 0.1
DRAIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Books:
    """What became of every message that was read."""

    messages_in: int = 0
    results: int = 0
    dead_letters: int = 0
    skipped: int = 0

    @property
    def open(self) -> int:
        """Messages that were read and have no outcome yet."""
        return self.messages_in - self.results - self.dead_letters - self.skipped

    def __str__(self) -> str:
        parts = f"{self.messages_in} in = {self.results} results + {self.dead_letters} dead letters"
        return f"{parts} + {self.skipped} skipped" + (f" + {self.open} UNFINISHED" if self.open else "")


def books_of(counts: Counter[str]) -> Books:
    """The books that these counts make."""
    return Books(
        messages_in=counts[metrics.MESSAGES_IN],
        results=counts[metrics.RESULTS_OUT],
        dead_letters=sum(count for name, count in counts.items() if name.startswith("dead_letters_")),
        skipped=counts[metrics.NOTIFICATIONS_SKIPPED],
    )


def pubsub_source(job: JobOptions) -> beam.PTransform:
    """Where the job's messages come from."""
    return ReadFromPubSub(topic=job.input_topic, subscription=job.input_subscription, with_attributes=True)


class LocalRun:
    """The job on the DirectRunner, in this process.

    Args:
        options: Beam's.
        job: the job's own.
    """

    def __init__(self, options: PipelineOptions, job: JobOptions) -> None:
        pipeline = beam.Pipeline(options=options)
        build(pipeline, pubsub_source(job), job, SideInputMode.WINDOWED)
        self.serving = serving(job.serving)
        self.failure: BaseException | None = None
        self._counted_before = metrics.tally()
        self._result = pipeline.run()
        threading.Thread(target=self._await_failure, name="await failure", daemon=True).start()

    def books(self) -> Books:
        """The books now."""
        return books_of(metrics.tally() - self._counted_before)

    def drain(self, all_counted: Callable[[Books], bool], seconds: float = DRAIN_SECONDS) -> Books:
        """Waits until everything that was read has its outcome and every model event is written.

        The caller stops the source first. Gives up after `seconds`, or when the job fails.

        Args:
            all_counted: whether every message that was read is in the books.
            seconds: the longest wait.
        """
        deadline = time.monotonic() + seconds
        while True:
            books = self.books()
            finished = not books.open and all_counted(books) and not self.serving.events.waiting()
            if finished or self.failure is not None or time.monotonic() > deadline:
                return books
            time.sleep(_LOOK_SECONDS)

    def close(self) -> None:
        """Ends the job and every process that it started."""
        self.serving.watch.stop_waiting()
        with contextlib.suppress(Exception):
            self._result.cancel()
        close_all()

    def _await_failure(self) -> None:
        try:
            self._result.wait_until_finish()
        except BaseException as error:
            self.failure = error


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Within it SIGINT and SIGTERM only set what the given function returns; a second one interrupts."""
    asked = threading.Event()

    def ask(signum: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
