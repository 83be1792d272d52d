"""A fleet, and all that brings the models of a folder to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from fleet.assignments import DEFAULT_COMPONENT
from fleet.errors import StoreUnusable
from fleet.fleet import Fleet
from fleet.folder_models import EveryModel, LiveModel
from fleet.following import Following
from fleet.metrics import Metrics, standing_of
from fleet.packing import Packer, Recipe
from fleet.rollouts import Plan
from models.artefacts import EngineChoice
from models.errors import VettingStopped
from models.releasing.packaging import Vetting
from models.serving import ServingConfig, WatchedFolder
from models.storage.schemes import AnyStorage
from models.troubles import Troubles
from models.vetting.session import vetting
from models.vetting.vetter import Vetter


@dataclass(frozen=True, slots=True)
class BringingConfig:
    """Which models come to devices, and how.

    Attributes:
        models: which folder is followed, and how.
        recipe: how components are made.
        name: of the component of the live model.
        every: whether each valid model of another name comes to devices too.
        plan: how they come to devices.
    """

    models: ServingConfig
    recipe: Recipe
    name: str = DEFAULT_COMPONENT
    every: bool = False
    plan: Plan = field(default_factory=Plan)


class Bringing:
    """Follows a folder, and brings its models to a fleet.

    Args:
        config: which models, and how.
        fleet: closed with this.
        storage: reaches the folder, the registry and the shelf.
        say: is told a line of whatever happens.

    Attributes:
        fleet: that models come to.
        storage: that reaches the shelf.
        say: as it was given.
        troubles: what does not work.
        counted: what is counted.

    Raises:
        As `WatchedFolder`, and `LiveModel`.
    """

    def __init__(self, config: BringingConfig, fleet: Fleet, storage: AnyStorage, say: Callable[[str], None]) -> None:
        self.fleet = fleet
        self.storage = storage
        self.say = say
        self.troubles = Troubles(say)
        self.counted = Metrics(lambda: standing_of(fleet, time.time()))
        models = config.models
        self._folder = WatchedFolder(models, storage)
        self._sessions = EndableVetting(
            lambda engine: vetting(
                storage, engine, models.max_batch_size, models.max_values, models.require_confinement
            )
        )
        packer = Packer(storage, fleet.releases, config.recipe, self._sessions.session, time.time)
        wanted = (
            EveryModel(self._folder, config.name, storage, models.model_pattern, models.poll_seconds, self.troubles)
            if config.every
            else LiveModel(self._folder, config.name)
        )
        self._following = Following(
            wanted,
            fleet,
            packer,
            config.plan,
            say,
            self.troubles,
            lambda outcome: self.counted.packaged[outcome].inc(),
        )

    def start(self) -> None:
        """Begins to look."""
        self._following.start()

    def stop(self) -> None:
        """Begins to end: nothing new is begun."""
        self._following.stop()
        self._sessions.end()
        self._folder.stop_waiting()

    def close(self) -> None:
        """Ends all of it, the fleet too; where its database does not answer, that is told."""
        self.stop()
        self._folder.close()
        self._following.close()
        try:
            self.fleet.close()
        except StoreUnusable as error:
            self.troubles.begin("ending", f"when devices were seen is not kept: {error}")


class EndableVetting:
    """Sessions of vetting of which the one that is open can be ended from another thread.

    Args:
        opened: opens sessions.
    """

    def __init__(self, opened: Vetting) -> None:
        self._opened = opened
        self._lock = threading.Lock()
        self._open: Vetter | None = None
        self._ended = False

    @contextmanager
    def session(self, engine: EngineChoice) -> Iterator[Vetter]:
        """One session.

        Raises:
            VettingStopped: it is to end.
            As what is opened.
        """
        with self._opened(engine) as vetter:
            with self._lock:
                if self._ended:
                    raise VettingStopped
                self._open = vetter
            try:
                yield vetter
            finally:
                with self._lock:
                    self._open = None

    def end(self) -> None:
        """Ends the session that is open, with `VettingStopped` for whoever waits for it; there is no other any more."""
        with self._lock:
            self._ended = True
            vetter = self._open
        if vetter is not None:
            vetter.close()
