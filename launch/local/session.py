"""What a local run does when: it waits for a model, reads, looks whether to end, and finishes."""

from __future__ import annotations

import time
from collections.abc import Callable

from beam_pipeline.books import Books
from beam_pipeline.running import LocalRun
from launch.local.image_folder import ImageFolder
from launch.local.progress import Moment, Report
from launch.local.pubsub import LocalPubSub
from launch.local.result_stream import Pace
from models.printable import logger

_LOGGER = logger(__name__)

_LOOK_SECONDS = 0.1


class Session:
    """One local run, from waiting for the first model to the last result."""

    def __init__(self, local_run: LocalRun, pubsub: LocalPubSub, pace: Pace, folder: ImageFolder, models: str) -> None:
        self._run = local_run
        self._pubsub = pubsub
        self._pace = pace
        self._folder = folder
        self._models = models
        self._live_since = ("", time.monotonic())

    def go(self, stop_requested: Callable[[], bool], exit_when_idle: float | None, report: Report) -> Books:
        """Runs until asked to stop, until idle for so many seconds, or until the job fails; then finishes."""
        reading = False
        quiet_since, before = time.monotonic(), Books()
        try:
            while self._run.failure is None and not self._pace.trouble and not stop_requested():
                if not reading and self._run.serving.live.peek() is not None:
                    reading = True
                    self._pubsub.resume()
                books = self._run.books()
                if books != before or not self._nothing_in_flight(books):
                    quiet_since, before = time.monotonic(), books
                if exit_when_idle is not None and time.monotonic() - quiet_since >= exit_when_idle:
                    break
                report(self._moment(books, reading))
                time.sleep(_LOOK_SECONDS)
        finally:
            self._pubsub.hold()
            self._folder.close()
        if stop_requested() and self._run.failure is None:
            _LOGGER.info("finishing what was read; interrupt again to end at once")
        books = self._run.drain(lambda books: self._pubsub.all_counted(books.messages_in))
        report(self._moment(books, reading))
        return books

    def _nothing_in_flight(self, books: Books) -> bool:
        return self._folder.settled and not books.open and self._pubsub.all_delivered(books.messages_in)

    def _moment(self, books: Books, reading: bool) -> Moment:
        live = self._run.serving.live.peek()
        model_id = live.reference.model_id if live else ""
        if model_id != self._live_since[0]:
            self._live_since = (model_id, time.monotonic())
        return Moment(
            books=books,
            model_id=model_id,
            model_seconds=time.monotonic() - self._live_since[1],
            events=self._run.serving.events.counts(),
            trial=self._run.serving.gathering.trial,
            waiting_for="" if reading else f"waiting for a valid model that matches {self._models}",
        )
