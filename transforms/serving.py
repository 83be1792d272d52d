"""What one worker process has exactly one of, however many copies of a DoFn it runs: its watch and its models."""

from __future__ import annotations

import atexit
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from models.artefacts import ArtefactCache, EngineChoice, default_cache_folder
from models.events import EventLog
from models.live import LiveModels
from models.memory import keep_freed_memory
from models.shared_artefacts import SharedArtefacts
from models.vetting import Vetter
from models.watch import ModelWatch
from transforms.beam_storage import BeamStorage


@dataclass(frozen=True, slots=True)
class ServingConfig:
    """Which models a job serves, and how. Small and picklable: DoFns carry it to their workers.

    Attributes:
        model_pattern: glob of model files.
        poll_seconds: between two looks at the pattern.
        engine: what the user asked for.
        max_batch_size: the largest batch in use.
        cache_folder: where compiled models are kept; None for the user's cache folder.
        compile_cache: folder where a fleet shares its compiled models; None to share none.
    """

    model_pattern: str
    poll_seconds: float = 30.0
    engine: EngineChoice = "auto"
    max_batch_size: int = 32
    cache_folder: str | None = None
    compile_cache: str | None = None


class Serving:
    """The watch, the vetter, the live models and their events, of one process and one configuration."""

    def __init__(self, config: ServingConfig) -> None:
        keep_freed_memory()
        self._config = config
        self._storage = BeamStorage()
        self._watching = threading.Lock()
        cache = ArtefactCache(Path(config.cache_folder) if config.cache_folder else default_cache_folder())
        cache.sweep()
        self.events = EventLog()
        shared = SharedArtefacts(config.compile_cache, self._storage) if config.compile_cache else None
        self.vetter = Vetter(self._storage, cache, config.engine, config.max_batch_size, shared=shared)
        self.live = LiveModels(self.vetter.obtain, self.events, warm_sizes=sorted({1, config.max_batch_size}))

    @cached_property
    def _watch(self) -> ModelWatch:
        config = self._config
        return ModelWatch(config.model_pattern, self._storage, self.vetter, self.events, config.poll_seconds)

    @property
    def watch(self) -> ModelWatch:
        """The watch, started by whoever asks first."""
        with self._watching:
            return self._watch

    def close(self) -> None:
        """Ends the watch, every vetting child and the loading of models."""
        with self._watching:
            watch = self.__dict__.get("_watch")
        if watch is not None:
            watch.close()
        self.vetter.close()
        self.live.close()


_servings: dict[ServingConfig, Serving] = {}
_lock = threading.Lock()


def serving(config: ServingConfig) -> Serving:
    """This process' serving for `config`, made at first use."""
    with _lock:
        if config not in _servings:
            _servings[config] = Serving(config)
        return _servings[config]


@atexit.register
def close_all() -> None:
    """Ends everything that `serving` began; a later call to `serving` begins anew."""
    with _lock:
        ending = list(_servings.values())
        _servings.clear()
    for each in ending:
        each.close()


def largest_input(config: ServingConfig) -> tuple[int, int] | None:
    """The (height, width) that the live model takes; None while there is none."""
    with _lock:
        here = _servings.get(config)
    live = here.live.peek() if here else None
    return (live.card.input.height, live.card.input.width) if live else None
