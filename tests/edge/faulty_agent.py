"""`hotswap-edge agent`, killed after a step: `python -m tests.edge.faulty_agent STEP TIMES agent --server …`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from edge.cli import main
from edge.steps import Step
from models.reference import sha256_of
from tests.edge.agents import require_verified


def run(step: Step, times: int, arguments: list[str]) -> int:
    """The agent's exit code, if it comes to its end.

    Args:
        step: after which it is killed.
        times: that it is done until then.
        arguments: of `hotswap-edge`.
    """
    folder = Path(arguments[arguments.index("--folder") + 1])
    left = times

    def at(reached: Step) -> None:
        nonlocal left
        if reached == Step.UNPACKED:  # what is executed next
            for unpacked in folder.glob("incoming/*.unpacked"):
                require_verified(unpacked)
                assert sha256_of(unpacked.with_suffix(".zip")) == unpacked.stem
        left -= reached == step
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    return main(arguments, at)


if __name__ == "__main__":
    sys.exit(run(Step(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
