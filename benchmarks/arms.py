"""The three ways that are compared, each in a process of its own that measures when it is told to.

A process a way makes memory comparable. Processes that stay make short measurements possible, which can then be taken
in turn: what else the machine does falls on all of them alike.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from benchmarks.ways import Setup, Single, Timing, Way


class Arm:
    """A way in a process of its own."""

    def __init__(self, setup: Setup, log: Path) -> None:
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"}
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.arms", json.dumps(asdict(setup))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                text=True,
            )
        self._log = log
        self.setup = setup
        self.pid = self._process.pid

    def classify(self, paths: list[str]) -> Timing:
        """One bounded run.

        Raises:
            RuntimeError: the process ended.
        """
        return Timing(**self._ask({"paths": paths}))

    def one_by_one(self, paths: list[str]) -> list[float]:
        """See `Single`; of the bare loop alone.

        Raises:
            RuntimeError: the process ended.
        """
        seconds: list[float] = self._ask({"one_by_one": paths})["seconds"]
        return seconds

    def peak_mebibytes(self) -> float:
        """The most memory that the process has held resident."""
        return float(self._ask({})["peak_mebibytes"])

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(question), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the process of {self.setup} ended; see {self._log}")
        found: dict[str, Any] = json.loads(answer)
        return found


def load_way(setup: Setup) -> Way:
    """The way of a setup; each module imports what it needs and no more."""
    if setup.way == "stock":
        from benchmarks.stock import StockWay

        return StockWay(setup)
    if setup.way == "bare":
        from benchmarks.bare_loop import BareWay

        return BareWay(setup)
    from benchmarks.ours import OurWay

    return OurWay(setup)


def _peak_mebibytes() -> float:
    """Of this process and of those that answer for it."""
    processes = ["self", *(str(child.pid) for child in psutil.Process().children())]
    statuses = [status for each in processes if (status := Path(f"/proc/{each}/status")).is_file()]
    if statuses:  # `getrusage` also counts what the parent held before this program was loaded
        lines = (line for status in statuses for line in status.read_text().splitlines())
        return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)


def _serve(setup: Setup) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print
    way = load_way(setup)
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(_answer(way, asked)), file=answers, flush=True)


def _answer(way: Way, asked: dict[str, Any]) -> dict[str, Any]:
    if "one_by_one" in asked:
        assert isinstance(way, Single)
        return {"seconds": way.one_by_one(asked["one_by_one"])}
    return asdict(way.classify(asked["paths"])) if "paths" in asked else {"peak_mebibytes": _peak_mebibytes()}


if __name__ == "__main__":
    _serve(Setup(**json.loads(sys.argv[1])))
