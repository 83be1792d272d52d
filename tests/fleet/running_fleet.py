"""Runs `hotswap fleet serve` as a user would, in a process of its own, on a port that is free."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.waiting import eventually_alive

PATIENCE_SECONDS = 120.0
_ROOT = Path(__file__).parents[2]
_READY = re.compile(r"^ready: (https?://\S+)$", re.M)


class RunningFleet:
    """A fleet's server under way.

    Args:
        root: holds its models (`models/`), its database, what it compiles (`cache/`) and what it says (`fleet.log`).
        options: of `hotswap fleet serve`, beside the models, the database and the port.

    Attributes:
        models: the folder of its models; whatever lies there matches.
        database: its file.
        process: of the server.
    """

    def __init__(self, root: Path, *options: str) -> None:
        self.models = root / "models"
        self.models.mkdir(exist_ok=True)
        self.database = root / "fleet.db"
        self._log = root / "fleet.log"
        command = [sys.executable, "-m", "launch.cli", "fleet", "serve", "--models", str(self.models / "*")]
        command += ["--database", str(self.database), "--port", "0", "--poll-seconds", "0.2"]
        environment = {"HOTSWAP_CACHE": str(root / "cache")} | os.environ
        with self._log.open("wb") as log:
            self.process = subprocess.Popen([*command, *options], stderr=log, cwd=_ROOT, env=environment)

    @property
    def url(self) -> str:
        """Where it is; waited for."""
        found = eventually_alive(
            self.process, self.log, lambda: _READY.search(self.log()), "the line `ready:`", PATIENCE_SECONDS
        )
        assert found is not None
        return found[1]

    def log(self) -> str:
        """What it said on standard error."""
        return self._log.read_text(errors="replace")

    def said(self, pattern: str) -> str:
        """A line that it said; waited for."""
        found = eventually_alive(
            self.process, self.log, lambda: re.search(pattern, self.log(), re.M), pattern, PATIENCE_SECONDS
        )
        assert found is not None
        return found[0]

    def finish(self, number: int = signal.SIGTERM) -> int:
        """Asks it to end, and answers its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)

    def close(self) -> None:
        """Ends it in any case."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@contextmanager
def running_fleet(root: Path, *options: str) -> Iterator[RunningFleet]:
    """A server in `root`, see `RunningFleet`; ended in any case, in order where it lives still."""
    server = RunningFleet(root, *options)
    try:
        yield server
        server.finish()
    finally:
        server.close()
