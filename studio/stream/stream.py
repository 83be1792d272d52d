"""The stream of a studio: it asks, it is answered, and it starts its job again when that ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path

from models.errors import one_line
from models.printable import logger
from studio.errors import StudioRefused, Trouble
from studio.stream.asked import Asked
from studio.stream.asking import Asking
from studio.stream.config import StreamConfig
from studio.stream.job import Job
from studio.stream.job_log import JobLog
from studio.stream.standing import Standing
from studio.stream.state import StreamListener, StreamState, TroubleBook
from studio.stream.telling import Telling
from transforms.pubsub.errors import PubSubRefused

_LOGGER = logger(__name__)

TROUBLE = "stream"
"""The word of what is told of the job itself."""
ASK_AGAIN_SECONDS = 15.0
"""After which what has no answer is asked again, while the job runs."""

_LOOK_SECONDS = 0.2
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_LONG_RUN_SECONDS = 60.0
_STOP_SECONDS = 15.0


class Stream:
    """Everything that is predicted is predicted here. Any thread may use it.

    The job is a process that begins with `start`, and is begun again when it ends by itself or hangs, after a pause
    that grows from a second to thirty. It never outlives this process. What was asked before it ended and has no answer
    is asked again then, and while it runs after 15 seconds: whoever asked hears one answer, whichever comes first.

    Args:
        config: the job.
        told: hears what the job tells.
        troubles: is told what does not work.
    """

    def __init__(self, config: StreamConfig, told: StreamListener, troubles: TroubleBook) -> None:
        self._config = config
        self._troubles = troubles
        self._standing = Standing(told.changed)
        self._asked = Asked()
        self._asking = Asking(config.topics, self._asked)
        self._telling = Telling(config.topics, self._asked, self._standing, told)
        self._log = JobLog(config.places.root / "stream.log", troubles)
        self._stopping = threading.Event()
        # The job ends with the thread that starts it: this one does so first of all.
        self._thread = threading.Thread(target=self._run, name="stream", daemon=True)

    @property
    def state(self) -> StreamState:
        """How it is now."""
        return self._standing.state

    def start(self) -> None:
        """Begins to listen, and to bring up the job; returns at once."""
        self._telling.begin()
        self._thread.start()

    def stop(self) -> None:
        """Ends the job once it has answered what it has read, within 15 seconds, and stops listening.

        Harmless when repeated.
        """
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._telling.close()
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
        if hangs:
            return f"it answered nothing for {self._config.longest_silence:.0f} s"
        return (job.exit_code > 0 and self._log.error) or f"its process ended with {job.how_it_ended}"

    def _attend(self, job: Job) -> bool:
        """Until it ends, or hangs, or this is to stop; whether it hangs."""
        begun = time.monotonic()
        running_since: float | None = None
        while not job.ended() and not self._stopping.wait(_LOOK_SECONDS):
            now = time.monotonic()
            self._log.forget_old()
            if self.state.word != "running":
                self._standing.set_detail(self._log.last_line or "the job begins")
            elif running_since is None:
                running_since = now
                self._troubles.end(TROUBLE, "the stream is up again")
                self._asking.again(now - begun)  # what was asked later waits in the subscription
            else:
                self._asking.again(ASK_AGAIN_SECONDS)
                if min(self._asked.silence(), now - running_since) > self._config.longest_silence:
                    return True
        return False

    def _end(self, job: Job) -> None:
        if not job.stop(_STOP_SECONDS):
            _LOGGER.warning("the stream's job did not finish within %d s and was killed", int(_STOP_SECONDS))
