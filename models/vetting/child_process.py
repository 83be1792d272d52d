"""The parent's side of the vetting child: start it, watch it, end it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from models.artefacts import Manifest
from models.errors import ModelFault, ModelRejected
from models.vetting.file_checks import one_line
from models.vetting.job import Job, read_verdict

_LOOK_SECONDS = 0.05


class VettingStopped(Exception):  # noqa: N818 - the program is ending, nothing failed
    """The child was ended because the program is ending; nothing was found out."""


class ChildProcess:
    """One child, good for one job. It starts importing its libraries at once and waits for the job.

    Args:
        keras: whether the job will need Keras, which takes seconds to import.
    """

    def __init__(self, keras: bool) -> None:
        self.keras = keras
        self._stopped = False
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        environment = os.environ | {
            "HOTSWAP_VETTING_PARENT": str(os.getpid()),
            "HOTSWAP_VETTING_KERAS": "1" if keras else "0",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "KERAS_BACKEND": "tensorflow",
            "TF_CPP_MIN_LOG_LEVEL": "2",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "models.vetting.child"],
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
            text=True,
        )

    def vet(self, job: Job, workspace: Path, seconds: float) -> Manifest:
        """Has the job done.

        Args:
            job: what to vet.
            workspace: where the compiled form will be, in `job.BUILT`.
            seconds: how long it may take, importing included.

        Raises:
            ModelRejected: the child's verdict, or `timed_out`, `too_large` or `crashed`.
            VettingStopped: `stop` was called.
        """
        job.write(workspace)
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{workspace}\n")
            self._process.stdin.close()
        self._watch(time.monotonic() + seconds, seconds, job.memory_bytes)
        verdict = read_verdict(workspace)
        if isinstance(verdict, Manifest) and self._process.returncode == 0:
            return verdict
        if isinstance(verdict, ModelRejected):
            raise verdict
        raise ModelRejected(ModelFault.CRASHED, self._how_it_ended())

    def stop(self) -> None:
        """Ends the child now, from any thread; a running `vet` raises `VettingStopped`."""
        self._stopped = True
        self._kill()

    def close(self) -> None:
        """Ends the child if it still runs, and gives back what it held."""
        self._kill()
        self._process.wait()
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        self._output.close()

    def _watch(self, deadline: float, seconds: float, memory_bytes: int) -> None:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_LOOK_SECONDS)
            if self._stopped:
                raise VettingStopped
            if self._process.poll() is not None:
                return
            if time.monotonic() > deadline:
                self._kill()
                raise ModelRejected(ModelFault.TIMED_OUT, f"vetting took longer than {seconds:.0f} s")
            if self._resident_bytes() > memory_bytes:
                self._kill()
                raise ModelRejected(ModelFault.TOO_LARGE, f"vetting took over {memory_bytes >> 20} MiB of memory")

    def _resident_bytes(self) -> int:
        with contextlib.suppress(psutil.Error):
            return int(psutil.Process(self._process.pid).memory_info().rss)
        return 0

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)

    def _how_it_ended(self) -> str:
        code = self._process.returncode
        ended = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        self._output.seek(max(0, self._output.seek(0, os.SEEK_END) - 2000))
        lines = self._output.read().decode("utf-8", "replace").strip().splitlines()
        return f"the vetting process ended with {ended}" + (f": {one_line(lines[-1])}" if lines else "")
