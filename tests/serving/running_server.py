"""Runs `hotswap serve` as a user would, in a process of its own, on ports that are free."""

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
_READY = re.compile(r"^ready: grpc=(\S+) http=(\S+) model=(\S+)$", re.M)


class RunningServer:
    """A server under way.

    Args:
        root: holds its models (`models/`), what it compiles (`cache/`) and what it says (`server.log`).
        options: of `hotswap serve`, beside the models and the ports.

    Attributes:
        models: the folder of its models; whatever lies there matches.
        process: of the server.
    """

    def __init__(self, root: Path, *options: str) -> None:
        self.models = root / "models"
        self.models.mkdir(exist_ok=True)
        self._log = root / "server.log"
        command = [sys.executable, "-m", "launch.cli", "serve", "--models", str(self.models / "*")]
        command += ["--grpc-port", "0", "--http-port", "0"]
        environment = {"HOTSWAP_CACHE": str(root / "cache")} | os.environ
        with self._log.open("wb") as log:
            self.process = subprocess.Popen([*command, *options], stderr=log, cwd=_ROOT, env=environment)

    @property
    def grpc(self) -> str:
        """Where it speaks gRPC, `HOST:PORT`; it is waited for until a model is live."""
        return self._ready()[1]

    @property
    def http(self) -> str:
        """Where it speaks HTTP, `HOST:PORT`."""
        return self._ready()[2]

    def log(self) -> str:
        """What it said on standard error."""
        return self._log.read_text(errors="replace")

    def finish(self) -> int:
        """Asks it to end, and answers its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)

    def close(self) -> None:
        """Ends it in any case."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def _ready(self) -> re.Match[str]:
        found = eventually_alive(
            self.process, self.log, lambda: _READY.search(self.log()), "the line `ready:`", PATIENCE_SECONDS
        )
        assert found is not None
        return found


@contextmanager
def running_server(root: Path, *options: str) -> Iterator[RunningServer]:
    """A server in `root`, see `RunningServer`; ended in any case, in order where it lives still.

    It is yielded as soon as it has begun: `grpc` and `http` wait until a model is live.
    """
    server = RunningServer(root, *options)
    try:
        yield server
        server.finish()
    finally:
        server.close()
