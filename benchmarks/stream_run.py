"""One running stream: the job in a process of its own, fed at exact moments, its results stamped as they land."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.images import DIGITS, ImageKind, in_turn
from launch.pubsub_emulator import PubSubEmulator
from transforms.pubsub import EMULATOR_VARIABLE

TOPIC = "projects/hotswap-bench/topics/images"
SUBSCRIPTION = "projects/hotswap-bench/subscriptions/images"
POLL_SECONDS = 1.0
START_SECONDS = 90.0
FLOOD_SECONDS = 300.0
_LOOK_SECONDS = 0.005


class StreamFailed(Exception):  # noqa: N818 - what happened to the measurement
    """The stream ended, or gave no results in time."""


@dataclass(frozen=True, slots=True)
class Result:
    """One result as it was seen from outside; moments in seconds of one monotonic clock.

    Attributes:
        due: when its image was to be published. Latency counts from here, so that a publisher that is held up by a
            busy machine does not hide what users would have waited.
        arrived: when its line was in the file.
        model: the stem of the model file that answered.
        class_index: its answer.
    """

    due: float
    arrived: float
    model: str
    class_index: int

    @property
    def latency(self) -> float:
        """Seconds."""
        return self.arrived - self.due


@dataclass
class StreamRun:
    """One stream; a context manager that starts it and ends it.

    Attributes:
        way: `ours`; `stock`, which reads as Beam does; or `stock, gathered`, which reads as ours does.
        kind: the images.
        paths: their files.
        folder: of this run alone; models land in `folder/models`.
        first_model: lies there from the beginning.
        batch: most images in one call of the model.
        options: of the job, besides those that each stream has; of ours alone.
        results: as they have arrived so far.
        landed: moment in which each model landed, by its stem.
    """

    way: str
    kind: ImageKind
    paths: list[str]
    folder: Path
    first_model: Path
    batch: int = 32
    options: Sequence[str] = ()
    results: list[Result] = field(default_factory=list)
    landed: dict[str, float] = field(default_factory=dict)

    def __enter__(self) -> Self:
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "models").mkdir(parents=True)
        self._due: list[float] = []
        self._ending = threading.Event()
        self._emulator = PubSubEmulator()
        self._emulator.start()
        self._emulator.create_topic(TOPIC)
        self._emulator.create_subscription(SUBSCRIPTION, TOPIC)
        self.land(self.first_model)
        self._process = self._started()
        self._tail = threading.Thread(target=self._follow, name="follow results", daemon=True)
        self._tail.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._tail.join()
        self._emulator.stop()

    @property
    def pid(self) -> int:
        """Of the job's process."""
        return self._process.pid

    @property
    def published(self) -> int:
        """Images so far."""
        return len(self._due)

    def land(self, model: Path, name: str | None = None) -> str:
        """Puts a model among those that the job watches, by one rename; returns its stem."""
        target = self.folder / "models" / f"{name or model.stem}.h5"
        hidden = target.with_name(f".{target.name}")
        shutil.copyfile(model, hidden)  # with the time of now: the newest is live
        hidden.rename(target)
        self.landed[target.stem] = time.monotonic()
        return target.stem

    def warm_up(self) -> None:
        """Waits for the first results, then lets a few batches through."""
        for count in (2, 2 * self.batch):
            self._publish_now(count)
            if not self.settle(START_SECONDS):
                raise StreamFailed(f"the {self.way} stream gave no results; see {self.folder / 'log.txt'}")

    def flood(self, count: int) -> float:
        """Publishes `count` images at once; results a second until all are there.

        Counted from publishing, since the results of a bundle are written together: there may be one bundle only.

        Raises:
            StreamFailed: that took longer than `FLOOD_SECONDS`.
        """
        began = time.monotonic()
        self._publish_now(count)
        if not self.settle(FLOOD_SECONDS):
            raise StreamFailed(f"the {self.way} stream lost images; see {self.folder / 'log.txt'}")
        return count / (self.results[-1].arrived - began)

    def feed(self, rate: float, seconds: float, until: Callable[[], bool] | None = None) -> None:
        """Publishes `rate` images a second, evenly, for `seconds`, or less once `until` holds; waits for nothing."""
        begin = time.monotonic()
        count = max(1, round(rate * seconds))
        paths = in_turn(self.paths, count)
        for number, path in enumerate(paths):
            due = begin + number / rate
            time.sleep(max(0.0, due - time.monotonic()))
            self._publish(path, due)
            if until is not None and until():
                return

    def settle(self, seconds: float) -> bool:
        """Waits until every image has its result; False when that takes longer than `seconds`.

        Raises:
            StreamFailed: the job ended.
        """
        deadline = time.monotonic() + seconds
        while len(self.results) < self.published:
            if self._process.poll() is not None:
                raise StreamFailed(f"the {self.way} stream ended; see {self.folder / 'log.txt'}")
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_SECONDS)
        return True

    def first_answer(self, model: str) -> float | None:
        """The moment of the first result that `model` made, if there is one."""
        return next((result.arrived for result in self.results if result.model == model), None)

    def _publish_now(self, count: int) -> None:
        for path in in_turn(self.paths, count):
            self._publish(path, time.monotonic())

    def _publish(self, path: str, due: float) -> None:
        self._due.append(due)
        self._emulator.publish(TOPIC, path.encode(), {"number": str(len(self._due) - 1)})

    def _started(self) -> subprocess.Popen[bytes]:
        grey = ["--grey"] if self.kind is DIGITS else []
        stock = [f"--first_model={self.first_model}", f"--side={28 if self.kind is DIGITS else 224}", *grey]
        program = {
            "ours": ["beam_pipeline"],
            "stock": ["benchmarks.stock_stream", *stock],
            "stock, gathered": ["benchmarks.stock_stream", "--gathered", *stock],
        }
        command = [
            sys.executable,
            "-m",
            *program[self.way],
            f"--input_subscription={SUBSCRIPTION}",
            f"--model_pattern={self.folder / 'models' / '*.h5'}",
            f"--model_poll_seconds={POLL_SECONDS}",
            f"--model_cache={self.folder / 'cache'}",
            f"--output_path={self.folder / 'results.jsonl'}",
            f"--max_batch_size={self.batch}",
            *self.options,
        ]
        environment = os.environ | {EMULATOR_VARIABLE: self._emulator.address, "TF_CPP_MIN_LOG_LEVEL": "2"}
        with (self.folder / "log.txt").open("wb") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)

    def _follow(self) -> None:
        path = self.folder / "results.jsonl"
        while not path.exists() and not self._ending.wait(_LOOK_SECONDS):
            pass
        if not path.exists():
            return
        with path.open("rb") as file:
            half = b""
            while not self._ending.is_set():
                read = file.read()
                if not read:
                    self._ending.wait(_LOOK_SECONDS)
                    continue
                arrived = time.monotonic()
                *lines, half = (half + read).split(b"\n")
                self.results += [self._result(line, arrived) for line in lines]

    def _result(self, line: bytes, arrived: float) -> Result:
        record = json.loads(line)
        model = Path(record["model_id"].partition("@sha256:")[0]).stem
        due = self._due[int(record["attributes"]["number"])]
        return Result(due, arrived, model, record["class_index"])
