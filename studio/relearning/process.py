"""A run as a process of its own: started, listened to, and ended, with all that it started."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO

from models.confinement.starting import end_group
from studio.relearning.job import Failed, Job, Progress, read_told

_LOOK_SECONDS = 0.1
_LEAVE_SECONDS = 3.0
"""For putting temporary files away."""
_LISTEN_SECONDS = 5.0
_LONGEST_LINE = 1 << 16
_LAST_LINES = 20


class Ending(StrEnum):
    """Who ended a run."""

    ITSELF = "itself"
    STOPPED = "stopped"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class Exit:
    """How a run's process ended.

    Attributes:
        ending: who ended it; one that was killed from outside ended itself.
        code: as `subprocess` tells it, negative for a signal.
        error: the name of the error that it ended with, or a word; empty where it told none.
        detail: of the error.
        said: the last that it said on standard error.
    """

    ending: Ending
    code: int
    error: str
    detail: str
    said: IO[bytes]


class RunProcess:
    """One run of `studio.retraining`. It ends with this process, also where that is killed.

    Args:
        job: what to run.
        scratch: a folder for its temporary files.
        told: called from a thread with how far it is.

    Raises:
        OSError: this machine starts no process now.
    """

    def __init__(self, job: Job, scratch: Path, told: Callable[[Progress], None]) -> None:
        self._told = told
        self._failed = Failed("", "")
        self._last: deque[str] = deque(maxlen=_LAST_LINES)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "studio.relearning.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"DO_NOT_TRACK": "1", "TMPDIR": str(scratch), "TF_CPP_MIN_LOG_LEVEL": "2"},
            # No session of its own: the kernel weighs sessions against each other, whatever their priorities.
            process_group=0,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self._listening = [threading.Thread(target=each, daemon=True) for each in (self._listen, self._keep)]
        for thread in self._listening:
            thread.start()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended, as `wait` will see
            self._process.stdin.write(job.to_line())
            self._process.stdin.flush()

    @property
    def pid(self) -> int:
        """The number of its process, and of the group of all that it starts in it."""
        return self._process.pid

    def wait(self, seconds: float, stopping: threading.Event) -> Exit:
        """Waits until it has ended, and gives back what it held; nothing of it runs afterwards.

        Args:
            seconds: that it may take.
            stopping: ends it once that is set.
        """
        deadline = time.monotonic() + seconds
        ending = Ending.ITSELF
        try:
            while self._process.poll() is None:
                if stopping.wait(_LOOK_SECONDS):
                    ending = Ending.STOPPED
                    break
                if time.monotonic() > deadline:
                    ending = Ending.LATE
                    break
        finally:
            self._end()
        return Exit(
            ending,
            self._process.returncode,
            self._failed.error,
            self._failed.detail,
            io.BytesIO("".join(self._last).encode()),
        )

    def _end(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_LEAVE_SECONDS)
        end_group(self._process)
        self._process.wait()
        for thread in self._listening:
            thread.join(_LISTEN_SECONDS)
        for file in (self._process.stdin, self._process.stdout, self._process.stderr):
            if file is not None:
                with contextlib.suppress(OSError):
                    file.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        while line := self._process.stdout.readline(_LONGEST_LINE):
            told = read_told(line)
            if isinstance(told, Progress):
                self._told(told)
            elif told is not None:
                self._failed = told

    def _keep(self) -> None:
        assert self._process.stderr is not None
        while line := self._process.stderr.readline(_LONGEST_LINE):
            self._last.append(line)
