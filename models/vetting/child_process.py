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
from typing import TypeVar

import psutil

from models.artefacts import Manifest
from models.errors import (
    ModelFault,
    ModelRejected,
    VettingFailed,
    VettingStarved,
    VettingStopped,
    VettingTooCostly,
    one_line,
)
from models.vetting.job import (
    HURRIED,
    WALL_FACTOR,
    WITH_KERAS,
    Job,
    Quantized,
    has_begun,
    read_verdict,
    resident_at_begin,
)

_LOOK_SECONDS = 0.05
_STARVED_SECONDS = 30.0
_LARGEST_LIBRARIES = 2 << 30
_Done = TypeVar("_Done", Manifest, Quantized)
HOME = str(Path(__file__).parents[2])
"""Where `models` is imported from."""


class ChildProcess:
    """One child, good for one job. It starts importing its libraries at once and waits for the job.

    Args:
        keras: whether the job will need Keras, which takes seconds to import.
        hurried: whether it claims a tenth of a busy machine; otherwise it runs where nobody else of the job does.
    """

    def __init__(self, keras: bool, hurried: bool = False) -> None:
        self.keras = keras
        self._hurried = hurried
        self._stopped = False
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        environment = os.environ | {
            WITH_KERAS: "1" if keras else "0",
            "PYTHONPATH": os.pathsep.join([HOME, *(path for path in sys.path if path)]),
            "KERAS_BACKEND": "tensorflow",
            "TF_CPP_MIN_LOG_LEVEL": "2",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "models.vetting.child", *([HURRIED] if hurried else [])],
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env=environment,
            # No session of its own: the kernel weighs sessions against each other, whatever their priorities.
            process_group=0,
            text=True,
        )

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def vet(self, job: Job, workspace: Path) -> Manifest:
        """Has a model vetted.

        Args:
            job: what to vet.
            workspace: where the compiled form will be, in `job.BUILT`.

        Raises:
            ModelRejected: the child's verdict, or `timed_out` or `crashed`.
            VettingTooCostly: it took more memory than it may.
            VettingFailed: the child did not get as far as the job, or lacks a package for it.
            VettingStarved: it got no processor.
            VettingStopped: `stop` was called.
        """
        return self._done(job, workspace, Manifest)

    def quantize(self, job: Job, workspace: Path) -> None:
        """Has a model quantized.

        Args:
            job: what to quantize, and with which images.
            workspace: where the file will be, in `job.BUILT`.

        Raises:
            As `vet`.
        """
        self._done(job, workspace, Quantized)

    def _done(self, job: Job, workspace: Path, kind: type[_Done]) -> _Done:
        job.write(workspace)
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # it has ended, as `_watch` will see, or was closed by `stop`
            self._process.stdin.write(f"{workspace}\n")
            self._process.stdin.flush()
        try:
            self._watch(job, workspace)
        except ModelRejected as rejection:
            if has_begun(workspace):
                raise
            raise VettingFailed(f"the vetting process did not begin: {rejection.detail}") from rejection
        verdict = read_verdict(workspace)
        if isinstance(verdict, kind) and self._process.returncode == 0 and verdict.sha256 == job.sha256:
            return verdict
        if isinstance(verdict, Exception):
            raise verdict
        if not has_begun(workspace):
            raise VettingFailed(f"the vetting process did not begin: {self._how_it_ended()}")
        if self._ran_out_of_memory():
            raise VettingTooCostly(self._how_it_ended())
        raise ModelRejected(ModelFault.CRASHED, f"{self._how_it_ended()}; try it with `hotswap vet`")

    def stop(self) -> None:
        """Ends the child now, from any thread; a running `vet` raises `VettingStopped`."""
        self._stopped = True
        self._kill()

    def close(self) -> None:
        """Ends the child if it still runs, and gives back what it held."""
        self._kill()
        self._process.wait()
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        self._output.close()

    def _watch(self, job: Job, workspace: Path) -> None:
        libraries: int | None = None
        deadline = time.monotonic() + WALL_FACTOR * job.seconds
        allowed = self._processor_seconds() + job.seconds
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_LOOK_SECONDS)
            if self._stopped:
                raise VettingStopped
            if self._process.poll() is not None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)  # what it may have left running
                return
            if time.monotonic() > deadline or self._processor_seconds() > allowed:
                self._kill()
                raise ModelRejected(
                    ModelFault.TIMED_OUT, f"vetting took longer than {job.seconds:.0f} s; make the model smaller"
                )
            if not self._hurried and self.is_starved():
                self._kill()
                raise VettingStarved
            if libraries is None:
                libraries = resident_at_begin(workspace)
            elif self._resident_bytes() > min(libraries, _LARGEST_LIBRARIES) + job.memory_bytes:
                self._kill()
                raise VettingTooCostly(f"it took over {job.memory_bytes >> 20:,} MiB")

    def _processor_seconds(self) -> float:
        with contextlib.suppress(psutil.Error):
            times = psutil.Process(self._process.pid).cpu_times()
            return float(times.user + times.system)
        return 0.0

    def is_starved(self) -> bool:
        """Whether it waits for a processor more than it would at a tenth of the machine."""
        with contextlib.suppress(OSError, ValueError):
            ran, waited = map(int, Path(f"/proc/{self._process.pid}/schedstat").read_text().split()[:2])
            return waited / 1e9 > _STARVED_SECONDS and waited > 10 * ran
        return False

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
        ended = f"signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"exit code {code}"
        lines = self._last_words().splitlines()
        return f"the vetting process ended with {ended}" + (f": {one_line(lines[-1])}" if lines else "")

    def _ran_out_of_memory(self) -> bool:
        return any(words in self._last_words() for words in ("bad_alloc", "Cannot allocate memory", "out of memory"))

    def _last_words(self) -> str:
        self._output.seek(max(0, self._output.seek(0, os.SEEK_END) - 2000))
        return self._output.read().decode("utf-8", "replace").strip()
