"""Runs `hotswap studio` as a user would, in a process of its own, on a port that is free."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.waiting import eventually_alive

PATIENCE_SECONDS = 240.0
_ROOT = Path(__file__).parents[3]


class RunningStudio:
    """A studio under way.

    Args:
        root: holds its folder (`studio/`), its models (`models/`), what it compiles (`cache/`) and what it says.
        options: of `hotswap studio`, beside the folders and the port.
        environment: beside that of this process.

    Attributes:
        folder: of the studio.
        models: where its stream looks.
        process: of the studio.
    """

    def __init__(self, root: Path, *options: str, environment: Mapping[str, str] = {}) -> None:
        self.folder, self.models = root / "studio", root / "models"
        self._log = root / "studio.log"
        command = [sys.executable, "-m", "launch.cli", "studio", "--port", "0"]
        command += ["--folder", str(self.folder), "--models", str(self.models), *options]
        surroundings = {"HOTSWAP_CACHE": str(root / "cache")} | os.environ | dict(environment)
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, stderr=log, cwd=_ROOT, env=surroundings)

    def log(self) -> str:
        """What it said on standard error."""
        return self._log.read_text(errors="replace")

    def said(self, pattern: str) -> str:
        """The first group of a line that it said; waited for."""
        found = eventually_alive(
            self.process, self.log, lambda: re.search(pattern, self.log(), re.M), pattern, PATIENCE_SECONDS
        )
        assert found is not None
        return found[1]

    def finish(self, number: int = signal.SIGINT) -> int:
        """Asks it to end, by Ctrl-C or otherwise, and answers its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)

    def close(self) -> None:
        """Ends it in any case."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@contextmanager
def running_studio(root: Path, *options: str, environment: Mapping[str, str] = {}) -> Iterator[RunningStudio]:
    """A studio in `root`, see `RunningStudio`; ended in any case."""
    studio = RunningStudio(root, *options, environment=environment)
    try:
        yield studio
    finally:
        studio.close()
