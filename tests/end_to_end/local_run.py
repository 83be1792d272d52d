"""Runs `launch.local` as a user would, in a process of its own, and waits for what it writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from models.json_lines import whole_records
from tests.waiting import eventually_alive

PATIENCE_SECONDS = 300.0


class Run:
    """A local run under way, its folders and what it has written."""

    def __init__(self, root: Path, *options: str) -> None:
        self.root = root
        self.images = root / "images"
        self.models = root / "models"
        for folder in (self.images, self.models):
            folder.mkdir(exist_ok=True)
        self._log = (root / "log.txt").open("ab")
        command = [sys.executable, "-m", "launch.local", "--models", str(self.models / "*.h5")]
        command += ["--images", str(self.images), "--output", str(root / "results.jsonl")]
        command += ["--dead-letters", str(root / "dead.jsonl"), "--model-events", str(root / "events.jsonl")]
        self.process = subprocess.Popen([*command, *options], stderr=self._log, cwd=Path(__file__).parents[2])

    def records(self, name: str) -> list[dict[str, Any]]:
        """The whole lines of `results`, `dead` or `events`."""
        return whole_records(self.root / f"{name}.jsonl")

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The model events of one kind."""
        return [event for event in self.records("events") if event["event"] == kind]

    def log(self) -> str:
        """What the run said on standard error."""
        return (self.root / "log.txt").read_text()

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Waits for a condition, as long as the run lives."""
        eventually_alive(self.process, self.log, condition, what, PATIENCE_SECONDS)

    def finish(self) -> int:
        """Asks the run to end, and returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)

    def close(self) -> None:
        """Ends the run in any case."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._log.close()


@contextmanager
def local_run(root: Path, *options: str) -> Iterator[Run]:
    """A local run in `root`, ended in any case."""
    run = Run(root, *options)
    try:
        yield run
    finally:
        run.close()


class Feed:
    """Lets images land one by one, each with a name of its own."""

    def __init__(self, folder: Path, side: int = 8) -> None:
        self._folder = folder
        self._side = side
        self.landed: list[str] = []

    def land(self, count: int) -> None:
        """Lets `count` grey images of rising brightness land."""
        for _ in range(count):
            number = len(self.landed)
            path = self._folder / f"{number:06d}.png"
            hidden = path.with_name(f".{path.name}")
            Image.new("RGB", (self._side, self._side), (number % 256,) * 3).save(hidden, "PNG")
            hidden.rename(path)
            self.landed.append(str(path))


def land(source: Path, target: Path) -> None:
    """Copies a file into place in one step, newest of all."""
    hidden = target.with_name(f".{target.name}")
    hidden.write_bytes(source.read_bytes())
    os.utime(hidden)
    hidden.rename(target)
