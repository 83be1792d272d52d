"""Runs the job in this process until told to stop, and keeps its books."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import threading
import time
import traceback
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.io.gcp.pubsub import ReadFromPubSub
from apache_beam.options.pipeline_options import PipelineOptions

from beam_pipeline.option_table import JobOptions
from beam_pipeline.pipeline import build
from models.errors import one_line
from models.live import ModelsClosed
from transforms import metrics
from transforms.process import JobRun
from transforms.pubsub.errors import PublishingStopped
from transforms.sinks import SinkFailed
from transforms.windowing import Gather, SideInputMode

_WORKER = "ExecutorServiceWorker"
"""Part of the name of its class; the thread's own name changes with what it does."""
_LOOK_SECONDS = 0.1
_CANCEL_SECONDS = 5.0
DRAIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Books:
    """What became of every message that was read; a result or dead letter counts once it is written."""

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
        results=counts[metrics.RESULTS_WRITTEN],
        dead_letters=counts[metrics.DEAD_LETTERS_WRITTEN],
        skipped=counts[metrics.NOTIFICATIONS_SKIPPED],
    )


def details_of(counts: Counter[str]) -> dict[str, str]:
    """What the books sum up, for a person: answers of each model, dead letters of each stage and error."""
    by_model = _named(counts, metrics.BY_MODEL_PREFIX)
    letters = _named(counts, metrics.DEAD_LETTERS_PREFIX)
    letters.pop(metrics.DEAD_LETTERS_WRITTEN.removeprefix(metrics.DEAD_LETTERS_PREFIX), None)
    found = {"answered by": by_model, "dead letters": letters}
    return {
        what: ", ".join(f"{amount} {name}" for name, amount in sorted(named.items()))
        for what, named in found.items()
        if named
    }


def _named(counts: Counter[str], prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): amount for name, amount in counts.items() if name.startswith(prefix)}


def pubsub_source(job: JobOptions) -> beam.PTransform:
    """Where the job's messages come from."""
    return ReadFromPubSub(topic=job.input_topic, subscription=job.input_subscription, with_attributes=True)


class GatheredMessages(beam.PTransform):
    """`pubsub_source` as the DirectRunner needs it where no gate gathers what it reads."""

    def __init__(self, job: JobOptions) -> None:
        super().__init__()
        self._job = job

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        return begin | "Pull" >> pubsub_source(self._job) | "Gather" >> Gather()


class LocalRun:
    """The job on the DirectRunner, in this process; it reads nothing until `start`.

    Args:
        options: Beam's.
        job: the job's own.
        source: of its messages: `pubsub_source` behind a `PubSubGate`, `GatheredMessages` without one.

    Raises:
        OSError: the folder of compiled models cannot be used.
    """

    def __init__(self, options: PipelineOptions, job: JobOptions, source: beam.PTransform) -> None:
        self._run = JobRun(f"local-{uuid.uuid4().hex}")
        self.serving = self._run.here.serving(job.serving)
        self.failure: BaseException | None = None
        self._pipeline = beam.Pipeline(options=options)
        build(self._pipeline, source, job, SideInputMode.WINDOWED, self._run)
        self._result: beam.runners.runner.PipelineResult | None = None
        self._closing = False

    def start(self) -> None:
        """Begins to read."""
        told_once = TellOnce()
        for name in ("apache_beam.runners.direct.executor", "apache_beam.runners.common"):
            logging.getLogger(name).addFilter(told_once)
        before = set(threading.enumerate())
        self._result = self._pipeline.run()
        workers = [
            thread for thread in threading.enumerate() if thread not in before and _WORKER in type(thread).__name__
        ]
        threading.Thread(target=self._await_failure, name="await failure", daemon=True).start()
        threading.Thread(target=self._await_death, args=(workers,), name="await death", daemon=True).start()

    def await_model(self, stop_requested: Callable[[], bool]) -> bool:
        """Waits until there is a valid model, so that nothing is read that could not be answered.

        Returns:
            Whether there is one; False when asked to stop first.
        """
        while self.serving.watch.statement is None:
            if stop_requested():
                return False
            time.sleep(_LOOK_SECONDS)
        return True

    def counts(self) -> Counter[str]:
        """All that this run has counted, by the names in `transforms.metrics`."""
        return self._run.here.meter.tally()

    def books(self) -> Books:
        """The books now."""
        return books_of(self.counts())

    def drain(self, all_counted: Callable[[Books], bool], seconds: float = DRAIN_SECONDS) -> Books:
        """Waits until everything that was read has its outcome and every outcome and model event is written.

        The caller stops the source first. Gives up after `seconds`, or when the job fails.

        Args:
            all_counted: whether every message that was read is in the books.
            seconds: the longest wait.
        """
        deadline = time.monotonic() + seconds
        while True:
            counts = self.counts()
            books = books_of(counts)
            told = (
                not self.serving.events.waiting()
                and counts[metrics.MODEL_EVENTS] == counts[metrics.MODEL_EVENTS_WRITTEN]
            )
            finished = self._result is None or (not books.open and all_counted(books) and told)
            if finished or self.failure is not None or time.monotonic() > deadline:
                return books
            time.sleep(_LOOK_SECONDS)

    def failure_line(self) -> str:
        """Why the job failed, in one line; "" where it did not."""
        if self.failure is None:
            return ""
        text = one_line(self.failure, limit=1000)
        text = re.sub(r" \[while running '[^']*'\]$", "", text)
        return text if isinstance(self.failure, SinkFailed) else f"{type(self.failure).__name__}: {text}"

    def close(self) -> None:
        """Ends the job and every process that it started."""
        self._closing = True
        self._run.here.stop_waiting()
        if self._result is not None:
            # Beam waits for the step under way, which may wait for whoever reads standard output.
            ending = threading.Thread(target=self._cancel, name="cancel", daemon=True)
            ending.start()
            ending.join(_CANCEL_SECONDS)
        self._run.here.end()

    def _cancel(self) -> None:
        with contextlib.suppress(Exception):
            assert self._result is not None
            self._result.cancel()

    def _await_death(self, workers: list[threading.Thread]) -> None:
        """An error in the runner itself ends its one thread, and it would wait for that thread for ever.

        No worker at all is one that has died before it could be looked for.
        """
        for worker in workers:
            worker.join()
        if not self._closing and self.failure is None:
            self.failure = RuntimeError("the DirectRunner ended by itself; the traceback is above")

    def _await_failure(self) -> None:
        try:
            assert self._result is not None
            self._result.wait_until_finish()
        except BaseException as error:
            self.failure = error


class TellOnce(logging.Filter):
    """Lets a traceback of the DirectRunner through once, and none that the end of the run will explain in one line.

    That runner tries each failing bundle four times at once, and logs the traceback of each try.
    """

    def __init__(self) -> None:
        super().__init__()
        self._told: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if text.startswith(("Giving up after", "A task failed with exception")):
            return False
        if record.exc_info:
            text = "".join(traceback.format_exception(*record.exc_info))
        elif "due to an exception." not in text:
            return True
        told = text.strip().splitlines()[-1].partition(" [while running")[0]
        if told in self._told or any(f"{kind.__module__}.{kind.__name__}" in told for kind in _EXPLAINED):
            return False
        self._told.add(told)
        return True


_EXPLAINED = (SinkFailed, PublishingStopped, ModelsClosed)


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Within it SIGINT and SIGTERM only set what the given function returns.

    A second one interrupts, so that nothing is waited for; a third ends the process where it stands.
    """
    asked = 0

    def ask(signum: int, frame: object) -> None:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise KeyboardInterrupt
        if asked > 2:
            os._exit(128 + signum)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked > 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
