"""The job's side of a host: start it, ask it, end it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from queue import Empty, LifoQueue
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from models.artefacts import WIDEST_NUMBER, Artefact
from models.compute_threads import cores
from models.confinement.starting import end_group, start_confined, warn_of
from models.engines.engine import Outputs
from models.engines.gpus import FRUGAL
from models.engines.turns import waiting_for_turn
from models.errors import (
    ImageFault,
    MachineFailed,
    ModelFailed,
    ModelGivenUp,
    ModelsClosed,
    ModelUnfit,
    one_line,
)
from models.hosting.host import FAILED, OUT_OF_MEMORY, WRONG_SHAPE, HostJob
from models.hosting.lane import Lane, images_of_a_lane
from models.hosting.patience import START_SECONDS, Patience
from models.last_words import LastWords

_LONGEST_LINE = 1 << 16
_LOOK_SECONDS = 0.2
_NUMBERS = "fiub"
"""Kinds of dtypes that an output may have."""
_REFUSALS = {
    FAILED: ImageFault.PREDICTION_FAILED,
    WRONG_SHAPE: ImageFault.WRONG_ANSWER_SHAPE,
    OUT_OF_MEMORY: ImageFault.MODEL_OUT_OF_MEMORY,
}
_KEEPS_RUNNING = (ImageFault.PREDICTION_FAILED, ImageFault.WRONG_ANSWER_SHAPE)
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"} | FRUGAL


Answer = Callable[[float], Outputs]
"""Waits for what a host was asked, for so many seconds at most. Raises `ModelFailed` where it did not answer, and
`ModelsClosed` where the program is ending."""


class HostGone(Exception):  # noqa: N818 - nothing failed
    """The host had ended before it was asked."""


class HostProcess:
    """One host, from its start to its end. Threads may ask side by side, as many at once as there are cores.

    Args:
        artefact: what vetting compiled.
        threads: in which the host computes.
        patience: how long whatever is waited for.

    Raises:
        ModelUnfit: the model does not load, or fails on a black image; `MachineFailed` where it was short of memory or
            time, or was ended from outside.
        ModelsClosed: the program is ending.
        OSError: this machine cannot start a process.

    Attributes:
        largest_run: images that it computes at once.
        seconds: that it takes for one image.
    """

    def __init__(self, artefact: Artefact, threads: int, patience: Patience) -> None:
        self._patience = patience
        self._ended = False
        images = images_of_a_lane(artefact.manifest)
        self.images = images
        lanes = [Lane(artefact.manifest, images) for _ in range(cores())]
        told, tells = os.pipe()
        # Labels may be many, and mean nothing to it.
        manifest = replace(artefact.manifest, card=replace(artefact.manifest.card, labels=()))
        ends = tuple(tuple(lane.hosts_ends) for lane in lanes)
        job = HostJob(str(artefact.folder.absolute()), manifest.to_json(), threads, ends, images, tells)  # type: ignore[arg-type]
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = start_confined(
            "models.hosting.host",
            [],
            artefact.folder,
            output=self._words,
            environment=_ENVIRONMENT,
            files=[tells, *(end for each in ends for end in each)],
        )
        os.close(tells)
        for lane in lanes:
            lane.handed_over()
        self._idle: LifoQueue[Lane] = LifoQueue()
        for lane in lanes:
            self._idle.put(lane)
        weakref.finalize(self, _let_go, self._process, self._words, lanes, told)
        try:
            self._begin(job, told)
        except BaseException:
            self.close()
            raise

    def ask(self, batch: NDArray[Any]) -> Answer:
        """Has the model begin to answer, once there is a lane for that.

        Args:
            batch: as the model takes it, at most `images` of them.

        Returns:
            What waits for the answer; to be called once, whatever happens meanwhile: others wait for the lane.

        Raises:
            HostGone: nobody heard it.
            ModelsClosed: the program is ending.
        """
        with waiting_for_turn():
            lane = self._next_lane()
        return self._begun(lane, batch)

    def ask_at_once(self, batch: NDArray[Any]) -> Answer | None:
        """The same where there is a lane now; else None."""
        try:
            lane = self._idle.get_nowait()
        except Empty:
            return None
        return self._begun(lane, batch)

    def _next_lane(self) -> Lane:
        while not self._patience.is_over:
            with contextlib.suppress(Empty):
                return self._idle.get(timeout=_LOOK_SECONDS)
        raise ModelsClosed

    def _begun(self, lane: Lane, batch: NDArray[Any]) -> Answer:
        try:
            self._tell(lane, batch)
        except BaseException:
            self._idle.put(lane)
            raise
        return partial(self._answer, lane, len(batch))

    def close(self) -> None:
        """Ends it now, from any thread. What others may still look at goes with this object."""
        self._ended = True
        _end(self._process)

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return not self._ended and self._process.poll() is None

    def _tell(self, lane: Lane, batch: NDArray[Any]) -> None:
        if self._ended:
            raise HostGone
        try:
            lane.ask(batch)
        except OSError as error:
            self.close()
            raise HostGone from error

    def _answer(self, lane: Lane, images: int, seconds: float) -> Outputs:
        """See `Answer`."""
        try:
            return self._answered(lane, images, seconds)
        finally:
            self._idle.put(lane)

    def _answered(self, lane: Lane, images: int, seconds: float) -> Outputs:
        if not self._patience.wait(lane.answered, self._process.pid, seconds):
            failure = ModelGivenUp if self._patience.is_ending else ModelFailed
            self.close()
            raise failure(ImageFault.MODEL_TIMED_OUT, f"no answer to {images} image(s) within {seconds:.0f} s")
        try:
            refusal = lane.answer()
        except (EOFError, OSError):
            raise self._how_it_ended() from None
        if refusal:
            raise self._refused(refusal)
        return lane.outputs(images, self._dtypes)

    def _refused(self, text: str) -> ModelFailed:
        for beginning, fault in _REFUSALS.items():
            if text.startswith(beginning):
                if fault not in _KEEPS_RUNNING:
                    self.close()
                return ModelFailed(fault, one_line(text.removeprefix(beginning)))
        self.close()
        return ModelFailed(ImageFault.MODEL_CRASHED, f"it answered {one_line(text, 80)!r}")

    def _how_it_ended(self) -> ModelFailed | ModelsClosed:
        """Why it is no longer there."""
        if self._patience.is_over:
            return ModelsClosed()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        self.close()
        last = LastWords(self._process.returncode or 0, self._words)
        fault = ImageFault.MODEL_OUT_OF_MEMORY if last.out_of_memory else ImageFault.MODEL_CRASHED
        return ModelFailed(fault, f"its process ended with {last.how}")

    def _begin(self, job: HostJob, told: int) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(job.to_json() + "\n")
            self._process.stdin.flush()
        lines = _Lines(told)
        begun = self._line(lines)
        if begun is None:
            raise OSError(f"the host of a model did not begin: {self._how_it_ended()}")
        warn_of(str(each) for each in begun["unconfined"])
        ready = self._line(lines)
        if ready is None:
            failure = self._how_it_ended()
            if isinstance(failure, ModelsClosed):
                raise failure
            # Where memory is short the kernel says nothing, and kills.
            is_killed = self._process.returncode == -signal.SIGKILL
            is_of_machine = is_killed or failure.fault is ImageFault.MODEL_OUT_OF_MEMORY
            raise (MachineFailed if is_of_machine else ModelUnfit)(failure.fault, failure.detail)
        try:
            self._dtypes = [np.dtype(str(each)) for each in ready["dtypes"]]
            self.largest_run = max(1, int(ready["largest_run"]))
            self.seconds = min(max(0.0, float(ready["seconds"])), START_SECONDS)
            wrong = str(ready["wrong"]) or ("" if all(map(_is_of_numbers, self._dtypes)) else "no numbers")
        except (TypeError, ValueError, KeyError, OverflowError) as error:
            raise ModelUnfit(ImageFault.MODEL_CRASHED, f"its process says {one_line(ready)}") from error
        if wrong or len(self._dtypes) != len(job.manifest["outputs"]):
            raise ModelUnfit(ImageFault.WRONG_ANSWER_SHAPE, one_line(wrong))

    def _line(self, lines: _Lines) -> dict[str, Any] | None:
        """The next line that the host tells of its beginning; None where it ended instead.

        Raises:
            MachineFailed: it took too long.
            ModelUnfit: it told nonsense.
        """
        if not self._patience.wait(lines.more, self._process.pid, START_SECONDS):
            raise MachineFailed(ImageFault.MODEL_TIMED_OUT, "it took too long to load")
        try:
            return lines.next()
        except ValueError as error:
            raise ModelUnfit(ImageFault.MODEL_CRASHED, one_line(error)) from error


def _is_of_numbers(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in _NUMBERS and dtype.itemsize <= WIDEST_NUMBER


class _Lines:
    """Lines of JSON that come through a pipe from whom nothing can be expected."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._read = b""

    def more(self, seconds: float) -> bool:
        """Waits until there is a line, or will be none; whether that is so."""
        if b"\n" in self._read:
            return True
        poll = select.poll()
        poll.register(self._pipe, select.POLLIN)
        if not poll.poll(1000 * seconds):
            return False
        some = os.read(self._pipe, _LONGEST_LINE)
        self._read += some
        return not some or b"\n" in self._read or len(self._read) > _LONGEST_LINE

    def next(self) -> dict[str, Any] | None:
        """The line that there is; None where there will be none.

        Raises:
            ValueError: it is none that a host would write.
        """
        line, end, self._read = self._read.partition(b"\n")
        if not end and len(line) <= _LONGEST_LINE:
            return None
        value = json.loads(line)
        if not isinstance(value, dict):
            raise ValueError("no object")
        return value


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:  # else its number may be somebody else's by now
        end_group(process)
        process.wait()


def _let_go(process: subprocess.Popen[str], words: IO[bytes], lanes: list[Lane], told: int) -> None:
    _end(process)
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    words.close()
    os.close(told)
    for lane in lanes:
        lane.close()
