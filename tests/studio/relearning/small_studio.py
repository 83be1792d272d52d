"""What of a studio retraining needs: its folders, its database, and someone who looks at how far it is."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray
from PIL import Image

from studio.places import Places
from studio.relearning.retraining import Retraining
from studio.relearning.state import RetrainingState
from studio.store.corrections import Corrections, NewCorrection, Run
from tests.studio.retraining.retraining_runs import inverted_digits
from tests.waiting import eventually

BROWSER = "b" * 32
_PATIENCE = 900
"""A run has a low priority: beside other work on two cores it takes minutes."""


class Studio:
    """An open studio.

    Args:
        places: its folders.
        after: how many corrections begin a run.
        seconds: that a run may take.
        parameters: of the pipelines.
    """

    def __init__(self, places: Places, after: int, seconds: float, parameters: Mapping[str, Any]) -> None:
        self.places = places
        self.states: list[RetrainingState] = []
        self.corrections = Corrections.open(str(places.database))
        self.retraining = Retraining(places, self.corrections, after, self._note, parameters, seconds)
        self.retraining.begin()

    def close(self) -> None:
        """Ends it."""
        self.retraining.stop(60)
        self.corrections.close()

    def _note(self) -> None:
        self.states.append(self.retraining.state)

    def correct(self, count: int, begin: int = 0) -> None:
        """Corrects drawings of black on white, which the first model misreads."""
        drawn = inverted_digits(begin + count)
        for number in range(begin, begin + count):
            self._correct(number, drawn.pixels[-1 - number], int(drawn.labels[-1 - number]))

    def correct_the_same(self, times: int) -> None:
        """Corrects drawings whose pixels are all the same, as a script draws them."""
        drawn = inverted_digits(1)
        for number in range(times):
            self._correct(number, drawn.pixels[0], int(drawn.labels[0]))

    def _correct(self, number: int, pixels: NDArray[np.uint8], label: int) -> None:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        self.corrections.correct(NewCorrection(f"{number:032x}", file.getvalue(), label, None, None, None, BROWSER))

    def until(self, *words: str) -> RetrainingState:
        """The state, once it is one of these."""
        found = eventually(lambda: self._if(words), f"a retraining that is {' or '.join(words)}", _PATIENCE)
        assert found is not None
        return found

    def runs(self, count: int) -> Sequence[Run]:
        """The runs that the database knows, once they are so many and all have ended."""

        def look() -> Sequence[Run]:
            runs = self.corrections.runs(10)
            return runs if len(runs) == count and all(run.ended for run in runs) else ()

        return eventually(look, f"{count} runs that ended", _PATIENCE)

    def until_stage(self, stage: str) -> None:
        """Waits until a run is at a step."""
        eventually(lambda: self.retraining.state.stage == stage, f"the step {stage}", _PATIENCE)

    def _if(self, words: tuple[str, ...]) -> RetrainingState | None:
        state = self.retraining.state
        return state if state.state in words else None

    def published(self) -> list[Path]:
        """What lies in the model folder."""
        return sorted(self.places.models.glob("*.keras"))


def runs_of_ours(parent: int | None = None) -> list[psutil.Process]:
    """Processes of runs that a process, or this one, has started."""
    children = psutil.Process(parent).children()
    return [child for child in children if "studio.relearning.child" in _command(child)]


def family_of(process: psutil.Process) -> list[psutil.Process]:
    """A process and all that it has started."""
    return [process, *process.children(recursive=True)]


def has_ended(process: psutil.Process) -> bool:
    """Whether nothing of it runs any more."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def kill(process: psutil.Process) -> None:
    """As `kill -9`."""
    os.kill(process.pid, signal.SIGKILL)


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
