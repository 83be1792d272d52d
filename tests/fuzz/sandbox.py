"""The side of `model_sandbox` that asks: models it examines may end it, and another begins."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.fuzz.canaries import Canaries

_ROOT = Path(__file__).parents[2]


class Sandbox:
    """Examines models where nothing but our lists keeps them from the canaries.

    Args:
        folder: its own, in which it runs.
        canaries: which it can reach.
        options: of `model_sandbox`.
    """

    def __init__(self, folder: Path, canaries: Canaries, *options: str) -> None:
        self._folder = folder
        self._canaries = canaries
        self._options = options
        self._process: subprocess.Popen[str] | None = None

    def verdict(self, model: Path) -> str:
        """What examining it comes to; "ended" where it ended the process."""
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{model}\n")
        process.stdin.flush()
        if answer := process.stdout.readline():
            return answer.rstrip("\n")
        self.close()
        return "ended"

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tests.fuzz.model_sandbox", *self._options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=self._folder,
                env=os.environ
                | {
                    "PYTHONPATH": os.pathsep.join([str(_ROOT), str(self._canaries.importable)]),
                    "TF_CPP_MIN_LOG_LEVEL": "3",
                    "HOME": str(self._folder),
                },
                text=True,
            )
        return self._process
