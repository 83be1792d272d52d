"""One reader of a model folder: what watches it, and the models that answer."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from models.artefacts import DEFAULT_ENGINE, DEFAULT_LARGEST_BATCH, DEFAULT_MAX_VALUES, EngineChoice
from models.confinement.proving import require_confinement
from models.events import EventLog
from models.following import Following
from models.hosting.hosted_engine import Hosts
from models.live import LiveModels
from models.memory import keep_freed_memory
from models.reference import Statement
from models.registry.cache import REGISTRY_IN_CACHE, ArtefactCache, default_cache_folder
from models.registry.registry import Registry, Terms
from models.storage.schemes import AnyStorage
from models.trials.gathering import Gathering
from models.trials.terms import NO_TRIALS, TrialTerms
from models.vetting import Vetter
from models.watch import ModelWatch

FIRST_MODEL_SECONDS = 600.0
"""How long images wait for the first model of all; one that is drained must end at some time."""


@dataclass(frozen=True, slots=True)
class ServingConfig:
    """Which models are served, and how. Small and picklable: it travels to workers.

    Attributes:
        model_pattern: glob of model files.
        poll_seconds: between two looks at the pattern.
        engine: what the user asked for.
        max_batch_size: the largest batch in use.
        cache_folder: where compiled models are kept; None for the user's cache folder.
        registry: where what is known of models is kept for all who read the pattern, a local folder or `gs://…`; None
            for a folder in the cache.
        max_values: numbers that a result may tell of a model's outputs as they are.
        require_confinement: whether to serve nothing where a model could come through to the machine.
        trusted_keys: public keys and certificates of authorities, in PEM; only models signed by one of these are
            served. Any where there are none.
        trials: on which terms new models are tried before they answer everything.
        alone: whether one process serves the whole run, which then tells of all models; else it is one of a fleet's.
    """

    model_pattern: str
    poll_seconds: float = 30.0
    engine: EngineChoice = DEFAULT_ENGINE
    max_batch_size: int = DEFAULT_LARGEST_BATCH
    cache_folder: str | None = None
    registry: str | None = None
    max_values: int = DEFAULT_MAX_VALUES
    require_confinement: bool = False
    trusted_keys: tuple[str, ...] = ()
    trials: TrialTerms = NO_TRIALS
    alone: bool = True


class WatchedFolder:
    """The watch of one model folder, its vetter and its events: all that tells which model is live, and holds none.

    Args:
        config: which models are followed, and how.
        storage: reaches them, and the registry.

    Attributes:
        events: what happened to models.
        registry: what is known of them.
        vetter: vets them.

    Raises:
        InvalidAddress: the registry's address can hold none.
        OSError: the folder of compiled models cannot be used.
        NotConfined: confinement is required, and cannot be had.
    """

    def __init__(self, config: ServingConfig, storage: AnyStorage) -> None:
        if config.require_confinement:
            require_confinement()
        self._config = config
        self._storage = storage
        self._watching = threading.Lock()
        cache = ArtefactCache(Path(config.cache_folder) if config.cache_folder else default_cache_folder())
        cache.sweep()
        self.events = EventLog()
        objects = storage.objects(config.registry or str(cache.folder / REGISTRY_IN_CACHE))
        self.registry = Registry(
            objects,
            config.model_pattern,
            Terms(config.engine, config.max_values, config.trusted_keys),
            forgets=config.registry is None,
        )
        self.vetter = Vetter(
            self._storage,
            cache,
            config.engine,
            config.max_batch_size,
            # A registry in the cache would hold all compiled forms twice.
            forms=self.registry.forms if config.registry else None,
            max_values=config.max_values,
            trusted=config.trusted_keys,
        )

    @cached_property
    def _watch(self) -> ModelWatch:
        config = self._config
        return ModelWatch(
            self._storage,
            self.vetter,
            self.registry,
            self.events,
            config.poll_seconds,
            alone=config.alone,
            trials=config.trials,
            adopts=config.registry is not None,
        )

    @property
    def watch(self) -> ModelWatch:
        """The watch, started by whoever asks first."""
        with self._watching:
            return self._watch

    def stop_waiting(self) -> None:
        """Begins to close: who waits for a statement is let go."""
        with self._watching:
            watch = self.__dict__.get("_watch")
        if watch is not None:
            watch.stop_waiting()

    def close(self) -> None:
        """Ends the watch and every vetting child."""
        with self._watching:
            watch = self.__dict__.get("_watch")
        if watch is not None:
            watch.close()
        self.vetter.close()


class Serving:
    """A watched folder and the models that are live, of one process and one configuration.

    Args:
        config: which models are served, and how.
        storage: reaches them, and the registry.

    Attributes:
        events: what happened to models.
        vetter: obtains their compiled forms.
        gathering: what this process knows of the trial under way.
        live: the models that answer.

    Raises:
        As `WatchedFolder`.
    """

    def __init__(self, config: ServingConfig, storage: AnyStorage) -> None:
        self._folder = WatchedFolder(config, storage)
        keep_freed_memory()
        self._config = config
        self._following = Following(config.poll_seconds)
        self._hearing = threading.Lock()
        self._waiting_since: float | None = None
        self.events = self._folder.events
        self.vetter = self._folder.vetter
        self._hosts = Hosts()
        sizes = sorted({1, config.max_batch_size})
        self.gathering = Gathering(self._folder.registry.trials)
        self.live = LiveModels(self.vetter.obtain, self.events, self._hosts.load, sizes, self.gathering)

    @property
    def watch(self) -> ModelWatch:
        """The watch, started by whoever asks first."""
        return self._folder.watch

    @property
    def restarts(self) -> int:
        """How many processes of models were begun anew, as they crashed, hung or grew."""
        return self._hosts.restarts

    def follow(self, statement: Statement) -> None:
        """Has the stated model be live, and another one tried where one is stated to be; returns at once.

        Where the registry has lost what was stated, it is told.
        """
        with self._hearing:  # an earlier trial must not be followed after a later one
            is_lost = self._following.hear(statement)
            latest = self._following.latest
            if latest is not None:
                self.gathering.follow(latest.trial)
            self.live.follow(statement)
        if is_lost and latest is not None:
            self.watch.remember(latest)

    def await_model(self) -> bool:
        """Waits until a model is live, for the first one ten minutes in all; whether one is.

        What waits for long and has heard of none looks at the folder itself: a job that is drained before its first
        model states none.
        """
        if self._waiting_since is None:
            self._waiting_since = time.monotonic()
        while not self.live.await_any(self._config.poll_seconds):
            if time.monotonic() - self._waiting_since > FIRST_MODEL_SECONDS:
                return False
            if self._following.latest is None:
                statement = self.watch.fresh_statement(self._config.poll_seconds)
                if statement is not None:
                    self.follow(statement)
        return True

    def end_soon(self) -> None:
        """The program is to end: a model that does not answer now is given up."""
        self._hosts.end_soon()

    def stop_waiting(self) -> None:
        """Begins to close: who waits for a statement is let go."""
        self._folder.stop_waiting()

    def close(self) -> None:
        """Ends the watch, every vetting child, the loading of models and whatever a model does.

        What was seen of a trial is written first.
        """
        self._folder.close()
        self._hosts.close()
        self.live.close()
        self.gathering.close()

    def largest_input(self) -> tuple[int, int] | None:
        """The (height, width) that the live model takes; None while there is none."""
        live = self.live.peek()
        return (live.card.input.height, live.card.input.width) if live else None
