"""One reader of a model folder: what watches it, and the models that answer."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from models.artefacts import DEFAULT_ENGINE, DEFAULT_LARGEST_BATCH, DEFAULT_MAX_VALUES, EngineChoice
from models.confinement.proving import require_confinement
from models.events import EventLog
from models.hosting.hosted_engine import Hosts
from models.live import LiveModels
from models.memory import keep_freed_memory
from models.registry.cache import ArtefactCache, default_cache_folder
from models.registry.shared import SharedArtefacts
from models.storage import SharedStorage
from models.vetting import Vetter
from models.watch import ModelWatch


@dataclass(frozen=True, slots=True)
class ServingConfig:
    """Which models are served, and how. Small and picklable: it travels to workers.

    Attributes:
        model_pattern: glob of model files.
        poll_seconds: between two looks at the pattern.
        engine: what the user asked for.
        max_batch_size: the largest batch in use.
        cache_folder: where compiled models are kept; None for the user's cache folder.
        compile_cache: folder where a fleet shares its compiled models; None to share none.
        max_values: numbers that a result may tell of a model's outputs as they are.
        require_confinement: whether to serve nothing where a model could come through to the machine.
        trusted_keys: public keys and certificates of authorities, in PEM; only models signed by one of these are
            served. Any where there are none.
    """

    model_pattern: str
    poll_seconds: float = 30.0
    engine: EngineChoice = DEFAULT_ENGINE
    max_batch_size: int = DEFAULT_LARGEST_BATCH
    cache_folder: str | None = None
    compile_cache: str | None = None
    max_values: int = DEFAULT_MAX_VALUES
    require_confinement: bool = False
    trusted_keys: tuple[str, ...] = ()


class Serving:
    """The watch, the vetter, the live models and their events, of one process and one configuration.

    Args:
        config: which models are served, and how.
        storage: reaches them.

    Raises:
        OSError: the folder of compiled models cannot be used.
        NotConfined: confinement is required, and cannot be had.
    """

    def __init__(self, config: ServingConfig, storage: SharedStorage) -> None:
        if config.require_confinement:
            require_confinement()
        keep_freed_memory()
        self._config = config
        self._storage = storage
        self._watching = threading.Lock()
        cache = ArtefactCache(Path(config.cache_folder) if config.cache_folder else default_cache_folder())
        cache.sweep()
        self.events = EventLog()
        shared = SharedArtefacts(config.compile_cache, self._storage) if config.compile_cache else None
        self.vetter = Vetter(
            self._storage,
            cache,
            config.engine,
            config.max_batch_size,
            shared=shared,
            max_values=config.max_values,
            trusted=config.trusted_keys,
        )
        self._hosts = Hosts()
        sizes = sorted({1, config.max_batch_size})
        self.live = LiveModels(self.vetter.obtain, self.events, self._hosts.load, sizes)

    @cached_property
    def _watch(self) -> ModelWatch:
        config = self._config
        return ModelWatch(
            config.model_pattern,
            self._storage,
            self.vetter,
            self.events,
            config.poll_seconds,
            signed=bool(config.trusted_keys),
        )

    @property
    def watch(self) -> ModelWatch:
        """The watch, started by whoever asks first."""
        with self._watching:
            return self._watch

    def end_soon(self) -> None:
        """The program is to end: a model that does not answer now is given up."""
        self._hosts.end_soon()

    def stop_waiting(self) -> None:
        """Begins to close: who waits for a statement is let go."""
        with self._watching:
            watch = self.__dict__.get("_watch")
        if watch is not None:
            watch.stop_waiting()

    def close(self) -> None:
        """Ends the watch, every vetting child, the loading of models and whatever a model does."""
        with self._watching:
            watch = self.__dict__.get("_watch")
        if watch is not None:
            watch.close()
        self.vetter.close()
        self._hosts.close()
        self.live.close()

    def largest_input(self) -> tuple[int, int] | None:
        """The (height, width) that the live model takes; None while there is none."""
        live = self.live.peek()
        return (live.card.input.height, live.card.input.width) if live else None
