"""Classifying a folder, round after round, until told to end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.device_models import DeviceModels
from edge.image_files import ImageFile, ImageFolder, decode, read_bytes
from edge.words import in_words
from models.answering import answer
from models.errors import ImageError, ImageFault, ModelsClosed, NoModelAnswers, typed_line
from models.images.decoding import DecodeLimits, Raster
from models.json_lines import append_whole
from models.moments import rfc3339
from models.printable import printable
from models.records import Answer, DeadLetter, ImageRequest, Origin, Stage, encode, result_record

_LOOK_SECONDS = 0.2
_OF_THE_MODEL = frozenset(
    {
        ImageFault.NON_FINITE_OUTPUT,
        ImageFault.PREDICTION_FAILED,
        ImageFault.WRONG_ANSWER_SHAPE,
        ImageFault.MODEL_CRASHED,
        ImageFault.MODEL_TIMED_OUT,
        ImageFault.MODEL_OUT_OF_MEMORY,
    }
)
"""What a model does, whatever the file of an image is like."""
_NO_MESSAGE = Origin("", "", {})


class Records:
    """Results and dead letters, a line of JSON each.

    Args:
        results: the file of results; nowhere where None.
        dead_letters: that of what could not be predicted; with the results where None.

    Raises:
        OSError: a folder of theirs cannot be made.
    """

    def __init__(self, results: Path | None, dead_letters: Path | None) -> None:
        self._results = results
        self._dead_letters = dead_letters or results
        for path in (results, dead_letters):
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)

    def result(self, record: dict[str, Any]) -> None:
        """Writes one.

        Raises:
            OSError: it cannot be written; a full disk, say.
        """
        _append(self._results, record)

    def dead_letter(self, letter: DeadLetter) -> None:
        """Writes one; raises as `result`."""
        _append(self._dead_letters, letter)


def _append(path: Path | None, record: Any) -> None:
    if path is not None:
        append_whole(path, encode(record) + b"\n")


class Runner:
    """Has the live model answer to the images of a folder.

    Args:
        images: the folder's.
        models: which of them is live.
        records: where answers are written.
        say: prints a line of an answer.
        tell: prints a line about what goes wrong.
        stop: set where it is to end; an image that was begun is finished.
    """

    def __init__(
        self,
        images: ImageFolder,
        models: DeviceModels,
        records: Records,
        say: Callable[[str], None],
        tell: Callable[[str], None],
        stop: threading.Event,
    ) -> None:
        self._images = images
        self._models = models
        self._records = records
        self._say = say
        self._tell = tell
        self._stop = stop
        self._limits = DecodeLimits()
        self._told = ""

    def once(self) -> bool:
        """Goes through the folder once; whether it went to its end.

        Raises:
            NoModelAnswers: the component does not.
            OSError: the folder cannot be looked through, or an answer cannot be written.
        """
        return self._round(settled=False)

    def run(self, interval: float) -> None:
        """Goes through the folder every so many seconds until it is to end; troubles are told, and may pass."""
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                self._round(settled=True)
                self._told = ""
            except NoModelAnswers as error:
                self._tell_once(str(error))
            except OSError as error:
                self._tell_once(typed_line(error))
            self._stop.wait(max(0.0, began + interval - time.monotonic()))

    def _round(self, settled: bool) -> bool:
        if not self._await_model():
            return False
        for image in self._images.round(settled):
            if self._stop.is_set():
                return False
            if not self._classify(image):
                return False
        return True

    def _await_model(self) -> bool:
        """Waits until a model is live, or none can be; whether it was not told to end meanwhile."""
        while not self._stop.is_set():
            if self._models.live.await_any(_LOOK_SECONDS):
                return True
        return False

    def _classify(self, image: ImageFile) -> bool:
        """One image; whether its model was not ended meanwhile."""
        raster = self._raster(image)
        if raster is None:
            return True
        try:
            by, [outcome] = answer(self._models.live, [raster])
        except ModelsClosed:
            return False
        component = self._models.component(by.reference)
        if isinstance(outcome, ImageError):
            if outcome.fault in _OF_THE_MODEL:
                self._models.failed(by.reference, (image.path, image.seen))
            self._lose(image, "predict", outcome, component.model_id)
            return True
        self._models.answered(by.reference, (image.path, image.seen))
        told = Answer(outcome, by.card.name, rfc3339())
        self._records.result(result_record(ImageRequest(image.path, _NO_MESSAGE), told, component.model_id))
        self._say(f"Prediction result of {printable(image.name)}: {printable(in_words(outcome))}")
        self._images.done(image)
        return True

    def _raster(self, image: ImageFile) -> Raster | None:
        """Its pixels; None where it is lost."""
        live = self._models.live.peek()
        needed = (live.card.input.height, live.card.input.width) if live else None
        stage: Stage = "read"
        try:
            data = read_bytes(image.path, self._limits)
            stage = "decode"
            return decode(image, data, self._limits, needed)
        except ImageError as error:
            self._lose(image, stage, error, None)
            return None

    def _lose(self, image: ImageFile, stage: Stage, error: ImageError, model_id: str | None) -> None:
        letter = DeadLetter(image.path, None, stage, error.fault, error.detail, _NO_MESSAGE, model_id)
        self._records.dead_letter(letter)
        self._tell(f"no result of {printable(image.name)}: {error}")
        self._images.done(image)

    def _tell_once(self, trouble: str) -> None:
        if trouble != self._told:
            self._told = trouble
            self._tell(trouble)
