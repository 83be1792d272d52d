"""Every Beam counter and distribution of the pipeline, by name, in one place.

All live in the namespace `hotswap`. Each is explained in `docs/operations.md`.
"""

from __future__ import annotations

import threading
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from apache_beam.metrics.metric import Metrics

if TYPE_CHECKING:
    from models.errors import ImageFault
    from models.events import ModelEvent
    from transforms.records import Stage

NAMESPACE = "hotswap"

MESSAGES_IN = "messages_in"
NOTIFICATIONS_SKIPPED = "notifications_skipped"
IMAGES_READ = "images_read"
BYTES_READ = "bytes_read"
READ_RETRIES = "read_retries"
READ_MS = "read_ms"
DECODE_MS = "decode_ms"
RESULTS_OUT = "results_out"
CANDIDATES_VETTED = "candidates_vetted"
VETTING_MS = "vetting_ms"
MODELS_LIVE = "models_live"
MODELS_RETIRED = "models_retired"
MODEL_LOAD_MS = "model_load_ms"
BATCH_SIZE = "batch_size"
PREDICT_MS = "predict_ms"


@lru_cache(maxsize=1024)
def _counter(name: str) -> Any:
    return Metrics.counter(NAMESPACE, name)


@lru_cache(maxsize=1024)
def _distribution(name: str) -> Any:
    return Metrics.distribution(NAMESPACE, name)


_tally: Counter[str] = Counter()
_tally_lock = threading.Lock()


def count(name: str, amount: int = 1) -> None:
    """Adds `amount` to the counter `name`. Counts only on the thread that Beam calls the DoFn on."""
    _counter(name).inc(amount)
    with _tally_lock:
        _tally[name] += amount


def tally() -> Counter[str]:
    """All that this process has counted since it began.

    Beam 2.77's bundle-based DirectRunner reports the counts of each step's first bundle only: its worker keeps the
    metrics container of that bundle (`StateSampler.scoped_state`). A local run keeps its books by these instead.
    """
    with _tally_lock:
        return Counter(_tally)


def observe(name: str, value: float) -> None:
    """Adds `value`, rounded to a whole number, to the distribution `name`; the same holds for threads."""
    _distribution(name).update(round(value))


def dead_letters_name(stage: Stage, error: ImageFault) -> str:
    """The counter of the dead letters of one stage and error, e.g. `dead_letters_read_not_found`."""
    return f"dead_letters_{stage}_{error}"


def count_dead_letter(stage: Stage, error: ImageFault) -> None:
    """Counts one dead letter where it is made."""
    count(dead_letters_name(stage, error))


def count_model_event(event: ModelEvent) -> None:
    """Counts one event in a model's life: vetted, rejected by reason, or swapped."""
    if event.event in ("accepted", "rejected"):
        count(CANDIDATES_VETTED)
        observe(VETTING_MS, event.seconds * 1000)
    if event.event == "rejected":
        count(f"models_rejected_{event.reason.partition(':')[0]}")
    if event.event == "live":
        count(MODELS_LIVE)
        observe(MODEL_LOAD_MS, event.seconds * 1000)
    if event.event == "retired":
        count(MODELS_RETIRED)


def count_result(model_id: str) -> None:
    """Counts one result, in all and for the model that really answered."""
    count(RESULTS_OUT)
    count(f"results_by_model {model_id}")
