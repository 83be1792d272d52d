"""Runs the job in this process until told to stop."""

from __future__ import annotations

import contextlib
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from beam_pipeline.books import Books, books_of
from beam_pipeline.option_table import JobOptions
from beam_pipeline.pipeline import build
from beam_pipeline.telling import tracebacks_told_once
from models.errors import NoModelAnswers, one_line
from transforms import metrics
from transforms.process import JobRun
from transforms.sinks import SinkFailed
from transforms.windowing import SideInputMode

_WORKER = "ExecutorServiceWorker"
"""Part of the name of its class; the thread's own name changes with what it does."""
_LOOK_SECONDS = 0.1
_CANCEL_SECONDS = 5.0
_DRAIN_SECONDS = 60.0


class LocalRun:
    """The job on the DirectRunner, in this process; it reads nothing until `start`.

    Args:
        options: Beam's.
        job: the job's own.
        source: of its messages: `pubsub_source` behind a `PubSubGate`, `GatheredMessages` without one.
        feedback: subscription of true labels for which no trial waits; that of `job` where None.

    Raises:
        OSError: the folder of compiled models cannot be used.
    """

    def __init__(
        self, options: PipelineOptions, job: JobOptions, source: beam.PTransform, feedback: str | None = None
    ) -> None:
        self._run = JobRun(f"local-{uuid.uuid4().hex}")
        self.serving = self._run.here.serving(job.serving)
        self.failure: BaseException | None = None
        self._pipeline = beam.Pipeline(options=options)
        build(self._pipeline, source, job, SideInputMode.WINDOWED, self._run, feedback)
        self._result: beam.runners.runner.PipelineResult | None = None
        self._closing = False
        self._telling = contextlib.ExitStack()

    def start(self) -> None:
        """Begins to read."""
        self._telling.enter_context(tracebacks_told_once())
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

    def drain(self, all_counted: Callable[[Books], bool]) -> Books:
        """Waits until everything that was read has its outcome and every outcome and model event is written.

        The caller stops the source first. Gives up after a minute, or when the job fails; on a model that hangs after
        seconds.

        Args:
            all_counted: whether every message that was read is in the books.
        """
        self.serving.end_soon()
        deadline = time.monotonic() + _DRAIN_SECONDS
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
        explained = isinstance(self.failure, SinkFailed | NoModelAnswers)
        return text if explained else f"{type(self.failure).__name__}: {text}"

    def close(self) -> None:
        """Ends the job and every process that it started."""
        self._closing = True
        self._run.here.stop_waiting()
        if self._result is not None:
            # Beam waits for the step under way, which may wait for whoever reads standard output.
            ending = threading.Thread(target=self._cancel, name="cancel", daemon=True)
            ending.start()
            ending.join(_CANCEL_SECONDS)
            if not ending.is_alive():
                self._telling.close()
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
