"""What the stream tells reaches whom it concerns, also where another one who is told fails."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from models.trials.terms import NO_TRIALS
from studio.drawing.drawings import Drawings
from studio.relearning.state import RetrainingState
from studio.rereading import Rereading
from studio.shelf.trials import Trials
from studio.store.corrections import Corrections
from studio.stream.figures import Figures
from studio.web.blocking import Threads
from studio.web.listeners import Listeners
from studio.web.standing import Standing
from studio.web.trial_watch import TrialWatch
from studio.wiring import Wiring
from tests.studio.drawing.canvases import png_of, seven
from tests.studio.stream.one_studio import OneStudio


class Idle:
    """A retraining that has nothing to do."""

    state = RetrainingState()


class BrokenFigures(Figures):
    """Can count nothing."""

    def take_result(self, record: Mapping[str, Any]) -> None:
        raise RuntimeError("no figures")

    def take_dead_letter(self, record: Mapping[str, Any]) -> dict[str, Any]:
        raise RuntimeError("no figures")

    def take_event(self, record: Mapping[str, Any], swapped: bool) -> dict[str, Any]:
        raise RuntimeError("no figures")


def test_figures_that_fail_cost_no_drawing_its_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    studio = OneStudio(tmp_path)

    async def tell() -> None:
        with Corrections.open(str(studio.places.database)) as corrections:
            asked: list[Mapping[str, str]] = []
            drawings = Drawings(studio.places, lambda image, attributes: asked.append(attributes))
            wiring = Wiring(BrokenFigures(studio.places), Listeners())
            standing = Standing(studio.stream, Idle(), corrections.counts, 10, studio.wrong)
            trial = TrialWatch(Trials(studio.places, NO_TRIALS), lambda told: None, Threads(1, "trial"), lambda: False)
            wiring.add(drawings, Rereading(corrections, studio.stream, drawings), standing, trial)
            answered, failed = drawings.begin("a", png_of(seven())), drawings.begin("a", png_of(seven()))

            wiring.result({"attributes": asked[0], "label": "7", "score": 0.9, "model_id": "m"})
            wiring.dead_letter({"attributes": asked[1], "error": "no_model", "detail": "none is there"})
            wiring.model_event({"event": "live"}, True)

            assert [drawings.find("a", each).state for each in (answered, failed)] == ["answered", "failed"]

    asyncio.run(tell())
    assert caplog.text.count("no figures") == 3
