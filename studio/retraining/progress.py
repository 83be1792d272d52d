"""How far a run is, for the program that started it: a line of JSON whenever a step begins or says something.

`{"stage": "tune", "part": 0.4, "line": "epoch 4 of 10, loss 0.1234"}`: the step as the pipelines name it, how much of
it is done (0..1), and what this project logs, for people. Nothing is told where nobody asks for it.
"""

from __future__ import annotations

import json
import logging
import os

PROGRESS = "HOTSWAP_RETRAINING_PROGRESS"
"""The variable with the number of the descriptor that lines are written to."""
PART = "part"
"""The field of a log record that says how much of its step is done, 0..1."""
SAID = "studio.retraining"
"""The logger whose lines, and those of all below it, are for people."""


class ProgressLines(logging.Handler):
    """Writes a line whenever a step begins, or one is logged.

    Args:
        descriptor: where it writes; it stays open.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(logging.INFO)
        self._descriptor = descriptor
        self._stage = ""

    def begin(self, stage: str) -> None:
        """Tells that a step begins, by its name."""
        self._stage = stage
        self._tell(0.0, "")

    def emit(self, record: logging.LogRecord) -> None:
        """Tells what was logged."""
        self._tell(getattr(record, PART, 0.0), record.getMessage())

    def _tell(self, part: float, line: str) -> None:
        told = json.dumps({"stage": self._stage, "part": part, "line": line})
        try:
            os.write(self._descriptor, f"{told}\n".encode())
        except OSError:  # who listened is gone: the run goes on until it is ended
            logging.getLogger(SAID).removeHandler(self)
