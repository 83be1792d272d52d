"""The process of the clients, from the side of who measures."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from benchmarks.server.load import Closed, Paced
from benchmarks.server.servers import Server

_PATIENCE_SECONDS = 300.0


class ClientsFailed(Exception):  # noqa: N818 - what happened to the measurement
    """The clients' process ended or said nothing."""


class ClientsProcess:
    """Clients that ask one server at a time.

    Args:
        log: what goes wrong there.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.server.load"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._lines: SimpleQueue[str] = SimpleQueue()
        Thread(target=self._follow, name="follow clients", daemon=True).start()

    def closed(self, server: Server, asked: Any, clients: int, seconds: float) -> Closed:
        """See `Clients.closed`.

        Raises:
            ClientsFailed: their process ended.
        """
        self._say({"address": server.address, "asked": asdict(asked), "clients": clients, "seconds": seconds})
        found = Closed(**self._next(_PATIENCE_SECONDS))
        found.classes = {int(number): index for number, index in found.classes.items()}
        return found

    def begin_paced(self, server: Server, asked: Any, rate: float) -> None:
        """Begins what `end_paced` ends."""
        self._say({"address": server.address, "asked": asdict(asked), "rate": rate})

    def next_model(self, seconds: float) -> tuple[str, float]:
        """The model_id that answers now and did not before, and the moment of its first answer.

        Raises:
            ClientsFailed: none does within so long.
        """
        told = self._next(seconds)
        return str(told["model_id"]), float(told["at"])

    def forget_models(self) -> None:
        """Leaves out what was told before."""
        while not self._lines.empty():
            self._lines.get()

    def end_paced(self) -> Paced:
        """See `Clients.paced`.

        Raises:
            ClientsFailed: their process ended.
        """
        self._say({})
        while "answers" not in (told := self._next(_PATIENCE_SECONDS)):
            pass
        found = Paced(**told)
        found.answers = [tuple(answer) for answer in found.answers]  # type: ignore[misc]  # JSON knows no tuples
        return found

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()

    def _say(self, what: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        print(json.dumps(what), file=self._process.stdin, flush=True)

    def _next(self, seconds: float) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=seconds)
        except Empty:
            raise ClientsFailed(f"nothing was heard of the clients for {seconds:.0f} s; see {self._log}") from None
        if not line:
            raise ClientsFailed(f"the clients ended; see {self._log}")
        found: dict[str, Any] = json.loads(line)
        return found

    def _follow(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")
