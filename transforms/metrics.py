"""Every Beam counter, distribution and gauge of the pipeline, by name, in one place.

All live in the namespace `hotswap`. Each is explained in `docs/operations.md`.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from apache_beam.metrics.metric import Metrics

if TYPE_CHECKING:
    from models.errors import ImageFault
    from models.events import ModelEvent
    from models.records import Stage
    from models.trials.evidence import Side

NAMESPACE = "hotswap"

MESSAGES_IN = "messages_in"
NOTIFICATIONS_SKIPPED = "notifications_skipped"
FEEDBACK_IN = "feedback_in"
FEEDBACK_NOTED = "feedback_noted"
FEEDBACK_LETTERS_WRITTEN = "feedback_letters_written"
IMAGES_READ = "images_read"
BYTES_READ = "bytes_read"
READ_RETRIES = "read_retries"
RESULTS_OUT = "results_out"
RESULTS_WRITTEN = "results_written"
DEAD_LETTERS_WRITTEN = "dead_letters_written"
MODEL_EVENTS = "model_events"
MODEL_EVENTS_WRITTEN = "model_events_written"
PUBLISH_RETRIES = "publish_retries"
CANDIDATES_VETTED = "candidates_vetted"
MODELS_LIVE = "models_live"
MODELS_QUARANTINED = "models_quarantined"
MODELS_RETIRED = "models_retired"
MODEL_LOADS_FAILED = "model_loads_failed"
MODEL_SWAPS = "model_swaps"

READ_MS = "read_ms"
DECODE_MS = "decode_ms"
BATCH_SIZE = "batch_size"
PREDICT_MS = "predict_ms"
LATENCY_MS = "latency_ms"
VETTING_MS = "vetting_ms"
MODEL_LOAD_MS = "model_load_ms"

LIVE_MODEL_AGE_SECONDS = "live_model_age_seconds"

DEAD_LETTERS_PREFIX = "dead_letters_"
REJECTED_PREFIX = "models_rejected_"
TRIED_PREFIX = "images_on_trial_"
BY_MODEL_PREFIX = "results_by_model_"
OTHER_MODELS = BY_MODEL_PREFIX + "others"

MODELS_TOLD_APART = 40
"""How many models have a counter of their own in one process. A job that runs for months sees models without end, and
every distinct counter is kept by the runner for as long as the job lives."""

_AGE_EVERY_SECONDS = 1.0


@lru_cache(maxsize=1024)
def _counter(name: str) -> Any:
    return Metrics.counter(NAMESPACE, name)


@lru_cache(maxsize=1024)
def _distribution(name: str) -> Any:
    return Metrics.distribution(NAMESPACE, name)


@lru_cache(maxsize=16)
def _gauge(name: str) -> Any:
    return Metrics.gauge(NAMESPACE, name)


def dead_letters_name(stage: Stage, error: ImageFault) -> str:
    """The counter of the dead letters of one stage and error, e.g. `dead_letters_read_not_found`."""
    return f"{DEAD_LETTERS_PREFIX}{stage}_{error}"


def tried_name(side: Side) -> str:
    """The counter of the images that one model answered during a trial, e.g. `images_on_trial_new`."""
    return TRIED_PREFIX + side


class Meter:
    """What one run of a job has counted in this process, beside what Beam counts.

    Beam 2.77's bundle-based DirectRunner reports the counts of each step's first bundle only: its worker keeps the
    metrics container of that bundle (`StateSampler.scoped_state`). A local run keeps its books by `tally` instead.
    Everything but `tally` is for the thread that Beam calls the DoFn on.

    Attributes:
        live_model: which model is live in this process, and since when.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tally: Counter[str] = Counter()
        self._told_apart: set[str] = set()
        self.live_model = LiveModelAge()

    def tally(self) -> Counter[str]:
        """All counts so far, by the names above."""
        with self._lock:
            return Counter(self._tally)

    def count(self, name: str, amount: int = 1) -> None:
        """Adds `amount` to the counter `name`."""
        _counter(name).inc(amount)
        with self._lock:
            self._tally[name] += amount

    def take_back(self, name: str, amount: int) -> None:
        """Takes off the tally what a bundle that failed had counted; its runner forgets the counter by itself."""
        with self._lock:
            self._tally[name] -= amount

    def observe(self, name: str, value: float) -> None:
        """Adds `value`, rounded to a whole number, to the distribution `name`."""
        _distribution(name).update(round(value))

    def count_dead_letter(self, stage: Stage, error: ImageFault) -> None:
        """Counts one dead letter where it is made."""
        self.count(dead_letters_name(stage, error))

    def count_model_event(self, event: ModelEvent) -> None:
        """Counts one event in a model's life: vetted, rejected by reason, gone live, swapped, failed, taken out."""
        self.count(MODEL_EVENTS)
        match event.event:
            case "accepted" | "rejected":
                self.count(CANDIDATES_VETTED)
                self.observe(VETTING_MS, event.seconds * 1000)
                if event.event == "rejected":
                    self.count(REJECTED_PREFIX + event.reason.partition(":")[0])
            case "live":
                self.count(MODELS_LIVE)
                self.observe(MODEL_LOAD_MS, event.seconds * 1000)
                if self.live_model.take_over(event.model_id, event.time):
                    self.count(MODEL_SWAPS)
            case "failed":
                self.count(MODEL_LOADS_FAILED)
            case "quarantined":
                self.count(MODELS_QUARANTINED)
            case "retired":
                self.count(MODELS_RETIRED)

    def count_result(self, model_id: str) -> None:
        """Counts one result, in all and for the model that really answered, and tells that model's age."""
        self.count(RESULTS_OUT)
        self.count(self._by_model(model_id))
        age = self.live_model.age_to_tell(model_id)
        if age is not None:
            _gauge(LIVE_MODEL_AGE_SECONDS).set(round(age))

    def _by_model(self, model_id: str) -> str:
        """The counter of one model's results, e.g. `results_by_model_mnist.h5@sha256:0123456789ab`."""
        name = BY_MODEL_PREFIX + model_id.rpartition("/")[2]
        with self._lock:
            if name not in self._told_apart and len(self._told_apart) >= MODELS_TOLD_APART:
                return OTHER_MODELS
            self._told_apart.add(name)
        return name


class LiveModelAge:
    """Which model is live in this process, and since when."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._model_id = ""
        self._since = 0.0
        self._told = float("-inf")

    def take_over(self, model_id: str, moment: str) -> bool:
        """Takes in that a model went live, at an RFC 3339 moment; whether it took over from another."""
        with self._lock:
            swap = self._model_id not in ("", model_id)
            self._model_id, self._since = model_id, datetime.fromisoformat(moment).timestamp()
            self._told = float("-inf")
        return swap

    def age_to_tell(self, model_id: str) -> float | None:
        """Seconds since the model that answered went live; None where it is another, or was told a moment ago."""
        now = time.monotonic()
        with self._lock:
            if model_id != self._model_id or now - self._told < _AGE_EVERY_SECONDS:
                return None
            self._told = now
            return max(0.0, time.time() - self._since)
