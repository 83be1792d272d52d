"""All that the page asks, with a true database and true drawings; the stream's answers come from here."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from models.trials.terms import NO_TRIALS, TrialTerms
from models.troubles import Troubles
from serving.access import Access
from serving.over_http.bodies import Bodies
from studio.drawing.drawings import Drawings
from studio.drawing.truths import Truths
from studio.errors import StudioRefused, Trouble
from studio.places import Places
from studio.relearning.retraining import Retraining
from studio.shelf.shelf import ModelShelf
from studio.shelf.trials import Trials
from studio.store.corrections import Corrections
from studio.stream.figures import Figures
from studio.stream.state import LiveModel, StreamState
from studio.web.application import Routes
from studio.web.blocking import DatabaseThreads, Threads
from studio.web.corrections import CorrectionRoutes
from studio.web.drawings import MOST_BYTES, DrawingRoutes
from studio.web.exports import ExportRoutes
from studio.web.guesses import Guesses
from studio.web.listeners import Listeners
from studio.web.models import ModelRoutes
from studio.web.receiving import Receiving
from studio.web.retraining import RetrainingRoutes
from studio.web.sessions import Sessions
from studio.web.standing import Standing
from studio.web.stream import StreamRoutes
from studio.web.trials import TrialRoutes
from studio.web.turns import Turns
from studio.web.uploads import UploadRoutes
from tests.studio.web.running_web import Web, running_web

MODEL_ID = "digits.onnx@sha256:" + "0" * 64


@dataclass
class Answering:
    """Stands where the stream does: each drawing is a seven.

    Attributes:
        is_down: nothing can be asked.
        is_slow: nothing is answered.
        answered: takes results.
    """

    is_down: bool = False
    is_slow: bool = False
    answered: Callable[[Mapping[str, Any]], None] = lambda record: None
    trial: int = 0

    @property
    def state(self) -> StreamState:
        """As pages are told."""
        return StreamState("running", "", LiveModel(MODEL_ID, "digits", "2030-01-01T00:00:00Z"), 0, 0, 0)

    def ask(self, image: Path, attributes: Mapping[str, str]) -> None:
        """Answers soon, from another thread."""
        if self.is_down:
            raise StudioRefused(Trouble.STREAM_UNAVAILABLE, "the stream is down; draw again in a moment")
        record = {
            "image": str(image),
            "attributes": dict(attributes),
            "label": "7",
            "score": 0.9,
            "top": [{"label": "7", "score": 0.9}, {"label": "1", "score": 0.1}],
            "model_id": MODEL_ID,
            "model_name": "digits",
            "message_id": f"message-of-{attributes['drawing']}",
        }
        if not self.is_slow:
            threading.Thread(target=self.answered, args=(record,)).start()


@dataclass
class WholePage:
    """A page that is answered.

    Attributes:
        web: where.
        places: its folders.
        answering: the stream's place.
        listeners: pages that are open.
        corrected: a line for each time that retraining is told.
        said: what does not work, and works again.
        labels: message ids and what they show in truth, as the stream is told.
        ended: a line for each trial that was ended by hand.
    """

    web: Web
    places: Places
    answering: Answering
    listeners: Listeners
    corrected: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    labels: list[tuple[str, str]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def tell(self, name: str, record: object) -> None:
        """Tells all pages that are open."""
        self.web.loop.call_soon_threadsafe(self.listeners.tell, name, record)


def picture(side: int = 280) -> bytes:
    """A PNG with a stroke, white on black."""
    pixels = np.zeros((side, side), np.uint8)
    pixels[side // 4 : -side // 4, side // 2 - side // 16 : side // 2 + side // 16] = 255
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    return png.getvalue()


@contextmanager
def whole_page(root: Path, terms: TrialTerms = NO_TRIALS, **export_limits: Any) -> Iterator[WholePage]:
    """Answers within it.

    Args:
        root: where its folders are.
        terms: on which new models are tried.
        export_limits: as of `ExportRoutes`, where they are not the usual ones.
    """
    places = Places(root / "studio", root / "models")
    places.make()
    answering, made = Answering(), list[tuple[Listeners, Retraining, ModelShelf]]()
    corrected: list[str] = []
    said: list[str] = []
    labels: list[tuple[str, str]] = []
    ended: list[str] = []

    def hear_ended() -> None:
        ended.append("one")

    def hear_corrected() -> None:
        corrected.append("one")

    def label(message_id: str, digit: str) -> None:
        labels.append((message_id, digit))

    with Corrections.open(str(places.database)) as corrections, ThreadPoolExecutor(1) as unpacking:

        def parts(access: Access, sessions: Sessions, guesses: Guesses) -> Sequence[Routes]:
            pictures, listeners, asking = Threads(2, "pictures"), Listeners(), DatabaseThreads()
            drawings = Drawings(places, answering.ask)
            truths = Truths(drawings, label, lambda: answering.trial)
            turns = Turns(2, "drawings")
            answering.answered = drawings.answered
            retraining = Retraining(places, corrections, 0, lambda: None)
            retraining.begin()
            shelf = ModelShelf(places)
            made.append((listeners, retraining, shelf))
            standing = Standing(answering, retraining, corrections.counts, 10, Troubles(said.append))
            tasks.update(
                asyncio.get_running_loop().create_task(each)
                for each in (standing.keep_counting(), standing.keep_telling(listeners.tell_state))
            )
            exports = ExportRoutes(corrections, places.root, asking, Threads(1, "exports"), **export_limits)
            pictures_of = Bodies(MOST_BYTES, 32 << 20, 20.0, unpacking)
            small = Bodies(8 << 10, 1 << 20, 20.0, unpacking)
            return [
                StreamRoutes(standing, sessions, listeners, Figures(places), pictures),
                DrawingRoutes(drawings, turns, pictures_of, asyncio.Event(), truths.left),
                CorrectionRoutes(corrections, drawings, standing, asking, small, hear_corrected, truths.corrected, 10),
                exports,
                RetrainingRoutes(retraining, corrections, asking, small),
                ModelRoutes(shelf, corrections, pictures, asking, small),
                TrialRoutes(Trials(places, terms), pictures, small, hear_ended),
                UploadRoutes(shelf, pictures, Receiving(places.uploads, pictures, 1 << 20), asyncio.Semaphore(2)),
            ]

        tasks: set[asyncio.Task[None]] = set()
        with running_web(parts) as web:
            [(listeners, retraining, shelf)] = made
            try:
                yield WholePage(web, places, answering, listeners, corrected, said, labels, ended)
            finally:
                web.loop.call_soon_threadsafe(listeners.close)
                retraining.stop(15)
                shelf.close()
