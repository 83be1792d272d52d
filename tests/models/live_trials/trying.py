"""Has live models try another one, and tells how it stands."""

from __future__ import annotations

import numpy as np

from models.errors import ImageFault, ModelUnfit
from models.events import EventLog
from models.images.decoding import Raster
from models.live import LiveModel, LiveModels
from models.reference import ModelReference, StatedTrial, Statement
from tests.waiting import eventually

GREY = Raster(np.full((8, 8, 3), 128, np.uint8))


def canary(new: ModelReference, number: int = 2, share: float = 0.1) -> StatedTrial:
    return StatedTrial(number, new, "canary", share)


def answer(model: LiveModel) -> int:
    return int(model.predict([GREY])[0].argmax())


def live_now(models: LiveModels) -> ModelReference | None:
    current = models.peek()
    return current.reference if current else None


def tried_now(models: LiveModels) -> ModelReference | None:
    on_trial = models.on_trial()
    return on_trial.model.reference if on_trial else None


def bring(models: LiveModels, old: ModelReference, epoch: int, trial: StatedTrial | None = None) -> None:
    models.follow(Statement(old, epoch, trial))
    new = trial.new if trial else None
    eventually(lambda: live_now(models) == old and tried_now(models) == new, f"{old} to be live and {new} tried")


def told(events: EventLog) -> list[tuple[str, str]]:
    return [(event.event, event.model_name) for event in events.drain()]


def unfit() -> ModelUnfit:
    return ModelUnfit(ImageFault.MODEL_CRASHED, "its process ended")
