"""The parent's side of the vetting child: start it, watch it, end it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import psutil

from models.artefacts import Manifest
from models.confinement.starting import end_group, start_confined, warn_of
from models.engines.gpus import FRUGAL
from models.errors import (
    ModelFault,
    ModelRejected,
    VettingDisturbed,
    VettingFailed,
    VettingStarved,
    VettingStopped,
    VettingTooCostly,
    one_line,
)
from models.last_words import LastWords
from models.vetting.job import (
    BUILT,
    HURRIED,
    WALL_FACTOR,
    WITH_KERAS,
    Begun,
    Job,
    Quantized,
    begun,
    has_begun,
    read_verdict,
)

_LOOK_SECONDS = 0.05
_STARVED_SECONDS = 30.0
_LARGEST_LIBRARIES = 2 << 30
_LEAST_WRITTEN = 1 << 30
"""What any child may write to its folder, beside what grows with its candidate."""
_COPIES = 8
"""Of the candidate, in every form that it may be written in."""
_MOST_FILES = 10_000
_MOST_FOLDERS = 20
"""Within each other."""
_Done = TypeVar("_Done", Manifest, Quantized)


class ChildProcess:
    """One child, good for one job. It starts importing its libraries at once and waits for the job.

    Args:
        keras: whether the job will need Keras, which takes seconds to import.
        workspace: the one folder that it may write in, its own until `close`.
        hurried: whether it claims a tenth of a busy machine; otherwise it runs where nobody else of the job does.
    """

    def __init__(self, keras: bool, workspace: AbstractContextManager[Path], hurried: bool = False) -> None:
        self.keras = keras
        self._given = ExitStack()
        self._workspace = self._given.enter_context(workspace)
        self._hurried = hurried
        self._stopped = False
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        self._process = start_confined(
            "models.vetting.child",
            [HURRIED] if hurried else [],
            self._workspace,
            output=self._output,
            environment={WITH_KERAS: "1" if keras else "0", "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}
            | FRUGAL,
        )

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    @property
    def built(self) -> Path:
        """The folder with what the child leaves, once it has; it goes with `close`."""
        return self._workspace / BUILT

    def vet(self, job: Job) -> Manifest:
        """Has a model vetted; its compiled form is in `built`.

        Args:
            job: what to vet. The child gets a copy of its files, which it may change.

        Raises:
            ModelRejected: the child's verdict, or `timed_out` or `crashed`.
            VettingDisturbed: it was killed from outside, or the clock ran out while it did not compute.
            VettingTooCostly: it took more memory than it may.
            VettingFailed: the child did not get as far as the job, or lacks a package for it.
            VettingStarved: it got no processor.
            VettingStopped: `stop` was called.
        """
        return self._done(job, Manifest)

    def quantize(self, job: Job) -> None:
        """Has a model quantized; the file is in `built`.

        Args:
            job: what to quantize, and with which images; the same.

        Raises:
            As `vet`.
        """
        self._done(job, Quantized)

    def _done(self, job: Job, kind: type[_Done]) -> _Done:
        self._copied(job).write(self._workspace)
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # it has ended, as `_watch` will see, or was closed by `stop`
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        try:
            self._watch(job)
        except (ModelRejected, VettingDisturbed) as trouble:
            if has_begun(self._workspace):
                raise
            raise VettingFailed(f"the vetting process did not begin: {one_line(trouble)}") from trouble
        verdict = read_verdict(self._workspace)
        if isinstance(verdict, kind) and self._process.returncode == 0 and verdict.sha256 == job.sha256:
            return verdict
        if isinstance(verdict, Exception):
            raise verdict
        last = LastWords(self._process.returncode, self._output)
        ended = f"the vetting process ended with {last.how}"
        if not has_begun(self._workspace):
            raise VettingFailed(f"the vetting process did not begin: {ended}")
        if self._process.returncode == 0:
            raise ModelRejected(ModelFault.CRASHED, "the vetting process left no verdict that can be read")
        if last.out_of_memory:
            raise VettingTooCostly(ended)
        crashed = ModelRejected(ModelFault.CRASHED, f"{ended}; try it with `hotswap vet`")
        raise VettingDisturbed(crashed) if self._process.returncode == -signal.SIGKILL else crashed

    def _copied(self, job: Job) -> Job:
        """The job with its files where the child may read them: what it makes of them is lost with it."""
        candidate = self._workspace / Path(job.path).name
        shutil.copyfile(job.path, candidate)
        calibration = job.calibration and str(self._workspace / "calibration.npy")
        if calibration:
            shutil.copyfile(job.calibration, calibration)
        return replace(job, path=str(candidate), calibration=calibration)

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
        self._given.close()

    def _watch(self, job: Job) -> None:
        began: Begun | None = None
        deadline = time.monotonic() + WALL_FACTOR * job.seconds
        writable = _LEAST_WRITTEN + _COPIES * Path(job.path).stat().st_size
        allowed = self._processor_seconds() + job.seconds
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_LOOK_SECONDS)
            if self._stopped:
                raise VettingStopped
            if self._process.poll() is not None:
                end_group(self._process)  # what it may have left running
                self._require_within(writable)
                return
            late = time.monotonic() > deadline
            if late or self._processor_seconds() > allowed:
                self._kill()
                detail = f"vetting took longer than {job.seconds:.0f} s; make the model smaller"
                timed_out = ModelRejected(ModelFault.TIMED_OUT, detail)
                raise VettingDisturbed(timed_out) if late else timed_out
            if not self._hurried and self.is_starved():
                self._kill()
                raise VettingStarved
            if began is None:
                began = begun(self._workspace)
                warn_of(began.unconfined if began else [])
            elif self._resident_bytes() > min(began.resident, _LARGEST_LIBRARIES) + job.memory_bytes:
                self._kill()
                raise VettingTooCostly(f"it took over {job.memory_bytes >> 20:,} MiB")
            self._require_within(writable)

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

    def _require_within(self, writable: int) -> None:
        if _holds_more(self._workspace, writable):
            self._kill()
            detail = f"vetting it wrote over {writable >> 20:,} MiB, or {_MOST_FILES:,} files"
            raise ModelRejected(ModelFault.TOO_LARGE, f"{detail}; make the model smaller")

    def _kill(self) -> None:
        if self._process.poll() is None:
            end_group(self._process)


def _holds_more(folder: Path, most: int) -> bool:
    """Whether a folder, which somebody may be changing, holds more bytes than that, or too many files, or too deep."""
    waiting = [(os.fspath(folder), 0)]
    files = size = 0
    while waiting:
        path, depth = waiting.pop()
        if depth > _MOST_FOLDERS:
            return True
        with contextlib.suppress(OSError), os.scandir(path) as entries:
            for entry in entries:
                files += 1
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((entry.path, depth + 1))
                    else:
                        size += entry.stat(follow_symlinks=False).st_size
                if size > most or files > _MOST_FILES:
                    return True
    return False
