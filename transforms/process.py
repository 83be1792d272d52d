"""What one process has once for each run of a job, however many copies of a DoFn it runs."""

from __future__ import annotations

import atexit
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from models.errors import ModelsClosed
from models.serving import Serving, ServingConfig
from models.storage.object_reader import ObjectReader
from models.storage.schemes import AnyStorage
from models.trials.labelling import Meeting
from transforms.beam_storage import BeamStorage
from transforms.metrics import Meter
from transforms.pubsub.publisher import Publishers
from transforms.pubsub.pulled import Pulled


class RunHere:
    """One run of a job, in this process.

    Attributes:
        meter: what it counts.
        publishers: its topics.
        labels: true labels of images, and answers that wait for them.
    """

    def __init__(self) -> None:
        self.meter = Meter()
        self.publishers = Publishers()
        self.labels = Meeting()
        self._lock = threading.Lock()
        self._servings: dict[ServingConfig, Serving] = {}
        self._readers: ThreadPoolExecutor | None = None
        self._objects: ObjectReader | None = None
        self._pulled: dict[str, Pulled] = {}
        self._ended = False

    def serving(self, config: ServingConfig) -> Serving:
        """The models of `config`, watched from the first use on.

        Raises:
            ModelsClosed: the run has ended.
            OSError: the folder of compiled models cannot be used.
        """
        with self._lock:
            if self._ended:
                raise ModelsClosed
            if config not in self._servings:
                self._servings[config] = Serving(config, AnyStorage(BeamStorage))
            return self._servings[config]

    def largest_input(self, config: ServingConfig) -> tuple[int, int] | None:
        """The (height, width) that the live model of `config` takes; None while there is none."""
        with self._lock:
            known = self._servings.get(config)
        return known.largest_input() if known else None

    def readers(self, threads: int) -> ThreadPoolExecutor:
        """The threads that read images; whoever asks first says how many."""
        with self._lock:
            if self._readers is None:
                self._readers = ThreadPoolExecutor(threads, thread_name_prefix="read-image")
            return self._readers

    def objects(self, connections: int) -> ObjectReader:
        """Who reads images from buckets; whoever asks first says how many connections are kept."""
        with self._lock:
            if self._objects is None:
                self._objects = ObjectReader(connections)
            return self._objects

    def pulled(self, subscription: str) -> Pulled:
        """What this process pulls from a subscription by itself, from the first use on.

        Raises:
            ModelsClosed: the run has ended.
        """
        with self._lock:
            if self._ended:
                raise ModelsClosed
            if subscription not in self._pulled:
                self._pulled[subscription] = Pulled(subscription)
            return self._pulled[subscription]

    def stop_waiting(self) -> None:
        """Lets go whoever waits for a model or a topic, and lets nobody wait from now on."""
        self.publishers.stop_waiting()
        with self._lock:
            servings = list(self._servings.values())
        for each in servings:
            each.stop_waiting()

    def end(self) -> None:
        """Ends every process and thread that this run began."""
        self.stop_waiting()
        with self._lock:
            self._ended = True
            servings, self._servings = list(self._servings.values()), {}
            readers, self._readers = self._readers, None
            objects, self._objects = self._objects, None
            pulled, self._pulled = list(self._pulled.values()), {}
        for reader in pulled:
            reader.close()
        for each in servings:
            each.close()
        if objects is not None:
            objects.close()
        if readers is not None:
            readers.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class JobRun:
    """A run of a job, by a name that no other in this process has; DoFns carry it to their workers.

    A process keeps the name of a run that has ended, so that a straggler learns that it has.
    """

    name: str = "job"

    @property
    def here(self) -> RunHere:
        """What belongs to it in this process, made at first use."""
        with _lock:
            if self.name not in _runs:
                _runs[self.name] = RunHere()
            return _runs[self.name]


THE_JOB = JobRun()
"""The run of a process that works for one job alone, as a worker of Dataflow does."""

_runs: dict[str, RunHere] = {}
_lock = threading.Lock()


def largest_input(run: JobRun, config: ServingConfig) -> tuple[int, int] | None:
    """See `RunHere.largest_input`; a function of a module, so that it travels."""
    return run.here.largest_input(config)


@atexit.register
def _end_all() -> None:
    for each in list(_runs.values()):
        each.end()
