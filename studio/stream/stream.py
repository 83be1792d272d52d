"""The stream of a studio: it asks, it is answered, and it starts its job again when that ends."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from models.errors import one_line
from models.printable import logger
from models.troubles import Troubles
from studio.errors import StudioRefused, Trouble
from studio.stream.asked import Asked
from studio.stream.asking import Asking
from studio.stream.config import StreamConfig
from studio.stream.job import Job
from studio.stream.job_log import JobLog
from studio.stream.labels import Labels
from studio.stream.standing import Standing
from studio.stream.state import LiveModel, StreamListener, StreamState
from studio.stream.telling import Telling
from transforms.pubsub.errors import PubSubRefused

_LOGGER = logger(__name__)

TROUBLE = "stream"
"""The word of what is told of the job itself."""
_NO_IMAGE = ".is-it-answered.png"
"""What is asked for where nothing is said for long; there is no such drawing, and the job says so."""
_LOOK_SECONDS = 0.2
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_LONG_RUN_SECONDS = 60.0
_AFTER_JOB_SECONDS = 2.0


class Stream:
    """Everything that is predicted is predicted here. Any thread may use it.

    The job is a process that begins with `start`, and is begun again when it ends by itself or hangs, after a pause
    that grows from a second to thirty. On Linux it never outlives this process. What was asked before it ended and has
    no answer is asked again then, and so is what seems lost while it runs, after 15 seconds and after ever longer
    pauses: whoever asked hears one answer, whichever comes first, or after four tries the dead letter `no_answer`.

    Args:
        config: the job.
        told: hears what the job tells.
        troubles: is told what does not work.
    """

    def __init__(self, config: StreamConfig, told: StreamListener, troubles: Troubles) -> None:
        self._config = config
        self._troubles = troubles
        self._standing = Standing(told.changed, believes_answers=not config.trial_options)
        self._asked = Asked()
        self._asking = Asking(config.topics, self._asked)
        self._telling = Telling(config.topics, self._asked, self._standing, told)
        self._labels = Labels(config.topics) if config.trial_options else None
        self._log = JobLog(config.places.root / "stream.log", troubles)
        self._stopping = threading.Event()
        self._stop_by = math.inf
        # The job ends with the thread that starts it: this one does so first of all.
        self._thread = threading.Thread(target=self._run, name="stream", daemon=True)

    @property
    def state(self) -> StreamState:
        """How it is now."""
        return self._standing.state

    def start(self) -> None:
        """Begins to listen, and to bring up the job; returns at once."""
        self._telling.begin()
        if self._labels is not None:
            self._labels.begin()
        self._thread.start()

    @property
    def waiting(self) -> frozenset[str]:
        """The paths of the images that are asked for and not answered."""
        return self._asked.images

    def stop(self, seconds: float) -> None:
        """Ends the job once it has answered what it has read, and stops listening, within so many seconds.

        What it has not finished by two seconds before that, or by half of the time, it does not finish. Harmless when
        repeated.
        """
        until = time.monotonic() + seconds
        self._stop_by = min(self._stop_by, until - min(_AFTER_JOB_SECONDS, seconds / 2))
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(max(0.0, until - time.monotonic()))
        self._telling.close(max(0.0, until - time.monotonic()))
        self._asking.close()
        if self._labels is not None:
            self._labels.close(max(0.0, until - time.monotonic()))
        self._log.close()
        self._troubles.end(TROUBLE)
        self._standing.set_word("stopped", "")

    def ask(self, image: Path, attributes: Mapping[str, str]) -> None:
        """Asks what an image shows; the answer is a result or a dead letter with the same attributes.

        While the job is not running the question waits for it.

        Args:
            image: a file below `drawings` or `images`.
            attributes: of its message; Pub/Sub's limits hold.

        Raises:
            StudioRefused: STREAM_UNAVAILABLE: nothing can be published, the stream has ended, or too many wait.
        """
        if self._stopping.is_set():
            raise StudioRefused(Trouble.STREAM_UNAVAILABLE, "the studio is ending; draw again once it is back")
        self._asking.ask(image, attributes)

    def label(self, message_id: str, label: str) -> None:
        """Tells the job what an image shows in truth, as evidence in a trial; nothing where none are held.

        Args:
            message_id: that its result bears.
            label: as models call it.
        """
        if self._labels is not None:
            self._labels.tell(message_id, label)

    def _run(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            begun = time.monotonic()
            why = self._one_job()
            if self._stopping.is_set():
                return
            if time.monotonic() - begun >= _LONG_RUN_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            _LOGGER.warning("the stream is down and begins again in %d s: %s", int(pause), why)
            self._troubles.begin(TROUBLE, f"the stream is down and begins again by itself: {why}")
            self._standing.set_word("restarting", why)
            self._stopping.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _one_job(self) -> str:
        """Runs the job until it ends, or hangs, or this is to stop; why it ended."""
        try:
            self._asking.make()
            self._telling.make()
            if self._labels is not None:
                self._labels.make()
            job = Job(self._config.command(), self._log)
        except (PubSubRefused, OSError) as error:
            return one_line(error)
        hangs = False
        try:
            self._standing.job_began(job.pid)
            hangs = self._attend(job)
            if self._stopping.is_set():
                self._end(job)
        finally:
            job.kill()
            self._standing.job_ended()
            self._asked.job_ended()
        if hangs:
            return f"it answered nothing for {self._config.longest_silence:.0f} s"
        return (job.exit_code > 0 and self._log.error) or f"its process ended with {job.how_it_ended}"

    def _attend(self, job: Job) -> bool:
        """Until it ends, or hangs, or this is to stop; whether it hangs."""
        running_since: float | None = None
        live: LiveModel | None = None
        while not job.ended() and not self._stopping.wait(_LOOK_SECONDS):
            now = time.monotonic()
            self._log.forget_old()
            state = self.state
            if state.word != "running":
                self._standing.set_detail(self._log.last_line or "the job begins")
                continue
            if running_since is None:
                running_since = now
                self._troubles.end(TROUBLE, "the stream is up again")
            if state.live != live:
                live = state.live
                self._log.forget()
            if self._hangs(now - running_since):
                return True
        return False

    def _hangs(self, running_seconds: float) -> bool:
        """Sees to what waits; whether nothing at all is answered any more."""
        longest = self._config.longest_silence
        for question in self._asked.given_up(running_seconds):
            self._telling.no_answer(question)
        self._asking.again()
        # One image that is never answered is no reason to end a job that answers others.
        self._asking.probe(self._config.places.drawings / _NO_IMAGE, longest / 4)
        return min(self._asked.silence(), running_seconds) > longest

    def _end(self, job: Job) -> None:
        begun = time.monotonic()
        if not job.stop(max(0.0, self._stop_by - begun)):
            waited = time.monotonic() - begun
            _LOGGER.warning("the stream's job did not finish within %.0f s and was killed", waited)
