"""The job as a process: it ends when it is told to and, on Linux, in no case later than the studio."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from studio.stream import tether
from studio.stream.job_log import JobLog

_PROJECT = Path(__file__).parents[2]
_LOG_SECONDS = 5.0


class Job:
    """One process of the job.

    In a session of its own, so that a Ctrl-C in the terminal reaches the studio alone, which ends the job in order.

    Whoever makes one must be a thread that lives until the job has ended: Linux ends the job with that thread. On other
    systems a studio that is killed leaves its job behind.
    The job's own processes, which hold models and vet them, end once its ends of their pipes are closed.

    Args:
        command: a program and its arguments.
        log: is given every line that it writes.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, command: Sequence[str], log: JobLog) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", tether.__file__, str(os.getpid()), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONPATH": _with_this_project(os.environ.get("PYTHONPATH", ""))},
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._reading = log.follow(self._process.stdout)
        self.pid = self._process.pid

    def ended(self, seconds: float = 0.0) -> bool:
        """Whether it has ended within so many seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self._process.returncode is not None

    def stop(self, seconds: float) -> bool:
        """Asks it to finish what it has read; kills it after so many seconds. Whether it ended by itself."""
        self._process.send_signal(signal.SIGTERM)
        by_itself = self.ended(seconds)
        self.kill()
        return by_itself

    def kill(self) -> None:
        """Ends it and whatever is left in its group, and waits until that is so."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._reading.join(_LOG_SECONDS)

    @property
    def exit_code(self) -> int:
        """Once it has ended; negative for a signal."""
        return self._process.returncode

    @property
    def how_it_ended(self) -> str:
        """In a few words that go on from "it ended with"."""
        code = self.exit_code
        return f"signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"exit code {code}"


def _with_this_project(python_path: str) -> str:
    """So that the job is found wherever the studio was started."""
    return os.pathsep.join(filter(None, [str(_PROJECT), python_path]))
