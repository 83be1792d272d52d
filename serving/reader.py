"""The reader of a model folder: follows which model is live, and learns what becomes of models."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from models.events import ModelEvent
from models.live import LiveModel, LiveModels
from models.printable import logger
from models.serving import Serving, ServingConfig
from models.storage.schemes import AnyStorage
from models.trials.gathering import Gathering

_LOGGER = logger(__name__)

_LOOK_SECONDS = 0.1
_LONGEST_CLOSE_SECONDS = 10.0


class Reader:
    """Models as they are live, one after the other.

    Args:
        config: which models are served, and how.
        storage: reaches them.
        heard: is told of events, oldest first, from a thread.

    Raises:
        As `Serving`.
    """

    def __init__(
        self, config: ServingConfig, storage: AnyStorage, heard: Callable[[Sequence[ModelEvent]], None]
    ) -> None:
        self._serving = Serving(config, storage)
        self._heard = heard
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)

    @property
    def models(self) -> LiveModels:
        """See `LiveModels`."""
        return self._serving.live

    @property
    def gathering(self) -> Gathering:
        """What this process knows of the trial under way."""
        return self._serving.gathering

    def start(self) -> None:
        """Begins to look."""
        self._thread.start()

    def live(self) -> LiveModel | None:
        """The model that answers now."""
        return self._serving.live.peek()

    @property
    def restarts(self) -> int:
        """How many processes of models were begun anew, as they crashed, hung or grew."""
        return self._serving.restarts

    def close(self) -> None:
        """Ends all of it, models too."""
        self._ending.set()
        self._serving.end_soon()
        self._serving.stop_waiting()
        self._thread.join(_LONGEST_CLOSE_SECONDS)
        self._serving.close()
        self._tell()

    def _run(self) -> None:
        watch = self._serving.watch
        while not self._ending.wait(_LOOK_SECONDS):
            try:
                statement = watch.statement
                if statement is not None:
                    self._serving.follow(statement)
                self._tell()
            except Exception:
                _LOGGER.exception("the reader goes on after an unexpected error")

    def _tell(self) -> None:
        events = self._serving.events.drain()
        if events:
            self._heard(events)
