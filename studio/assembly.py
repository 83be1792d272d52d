"""The parts of a studio, put together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from models.troubles import Troubles
from serving.over_http.bodies import Bodies
from studio.drawing.drawings import Drawings
from studio.drawing.truths import Truths
from studio.relearning.retraining import Retraining
from studio.rereading import Rereading
from studio.settings import StudioConfig
from studio.shelf.shelf import ModelShelf
from studio.shelf.trials import Trials
from studio.store.corrections import Corrections
from studio.stream.config import StreamConfig
from studio.stream.figures import Figures
from studio.stream.stream import Stream
from studio.web.application import Routes, application
from studio.web.assets import read_assets
from studio.web.blocking import DatabaseThreads, Threads
from studio.web.corrections import CorrectionRoutes
from studio.web.drawings import MOST_BYTES, DrawingRoutes
from studio.web.exports import ExportRoutes
from studio.web.guard import Guard
from studio.web.guesses import Guesses
from studio.web.listeners import TRIAL, Listeners
from studio.web.login import Login
from studio.web.models import ModelRoutes
from studio.web.receiving import Receiving
from studio.web.retraining import RetrainingRoutes
from studio.web.sessions import Sessions, session_key
from studio.web.standing import Standing
from studio.web.stream import StreamRoutes
from studio.web.trial_watch import TrialWatch
from studio.web.trials import TrialRoutes
from studio.web.turns import Turns
from studio.web.uploads import UploadRoutes
from studio.wiring import Wiring

_KEY = "session.key"
_SMALL = 8 << 10
_ROOM = 32 << 20
_BODY_SECONDS = 20.0
_UPLOADS_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Studio:
    """What runs.

    Attributes:
        stream: answers.
        rereading: asks again for what was corrected.
        retraining: learns.
        shelf: knows the models.
        standing: what pages show.
        trial: watches what is tried.
        listeners: pages that are open.
        figures: of the last hour.
        http: what is answered over HTTP.
        ending: set once nobody is to wait for an answer over HTTP any more.
        unpacking: unpacks bodies.
    """

    stream: Stream
    rereading: Rereading
    retraining: Retraining
    shelf: ModelShelf
    standing: Standing
    trial: TrialWatch
    listeners: Listeners
    figures: Figures
    http: Guard
    ending: asyncio.Event
    unpacking: ThreadPoolExecutor

    def start(self) -> None:
        """Begins all that goes on by itself; a first model is trained where there is none."""
        self.stream.start()
        self.rereading.start()
        self.retraining.begin()
        self.retraining.first()

    def end_waiting(self) -> None:
        """Ends all that pages wait for: events, and answers."""
        self.listeners.close()
        self.ending.set()

    def stop_unpacking(self) -> None:
        """Unpacks no more, without waiting for what is under way."""
        self.unpacking.shutdown(wait=False, cancel_futures=True)


def assembled(config: StudioConfig, port: int, corrections: Corrections, say: Callable[[str], None]) -> Studio:
    """A studio that is yet to start; on the event loop that it is to run on.

    Args:
        config: as it was told.
        port: that is listened at in truth.
        corrections: kept by the database.
        say: is told, in a line each, what does not work, and what works again.

    Raises:
        OSError: the folder cannot be read or written.
    """
    places, listeners, figures = config.places, Listeners(), Figures(config.places)
    wiring = Wiring(figures, listeners)
    troubles = Troubles(say)
    stream = Stream(StreamConfig(places, config.topics, config.trial_options), wiring, troubles)
    drawings = Drawings(places, stream.ask, waiting=lambda: stream.waiting)
    retraining = Retraining(places, corrections, config.retrain_after, wiring.relearning_changed)
    standing = Standing(stream, retraining, corrections.counts, config.retrain_after, troubles)
    trials = Trials(places, config.trial)
    trial = TrialWatch(trials, partial(listeners.tell, TRIAL), Threads(1, "trial"), lambda: len(listeners) > 0)
    truths = Truths(drawings, stream.label, lambda: trial.number)
    rereading = Rereading(corrections, stream, drawings, lambda: trial.number)
    wiring.add(drawings, rereading, standing, trial)
    shelf = ModelShelf(places)
    pictures, models, files = Turns(2, "pictures"), Threads(4, "models"), Threads(2, "files")
    looking, ending = Threads(1, "figures"), asyncio.Event()
    unpacking = ThreadPoolExecutor(2, thread_name_prefix="unpacking")
    receiving = Receiving(places.uploads, files)
    receiving.clear()
    asking, exporting = DatabaseThreads(), DatabaseThreads(2, 8)
    access = config.access
    sessions, guesses = Sessions(session_key(places.root / _KEY), access, port), Guesses()
    small = Bodies(_SMALL, _ROOM, _BODY_SECONDS, unpacking)
    assets = read_assets()

    def corrected() -> None:
        rereading.wake()
        retraining.corrected()

    parts: list[Routes] = [
        assets,
        Login(access, sessions, guesses, assets, small),
        StreamRoutes(standing, sessions, listeners, figures, looking),
        DrawingRoutes(drawings, pictures, Bodies(MOST_BYTES, _ROOM, _BODY_SECONDS, unpacking), ending, truths.left),
        CorrectionRoutes(
            corrections, drawings, standing, asking, small, corrected, truths.corrected, config.retrain_after
        ),
        ExportRoutes(corrections, places.root, exporting, Threads(2, "exports")),
        RetrainingRoutes(retraining, corrections, asking, small),
        ModelRoutes(shelf, corrections, models, asking, small),
        TrialRoutes(trials, models, small, trial.wake),
        UploadRoutes(shelf, models, receiving, asyncio.Semaphore(_UPLOADS_AT_ONCE)),
    ]
    http = application(parts, access, sessions, guesses)
    return Studio(stream, rereading, retraining, shelf, standing, trial, listeners, figures, http, ending, unpacking)
