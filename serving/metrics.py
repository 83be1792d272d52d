"""What Prometheus reads, by the model that answered. `docs/serving.md` explains each name."""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import NamedTuple, get_args

import psutil
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from models.errors import ModelFault
from models.events import EventKind, ModelEvent
from models.reference import Mode
from models.trials.evidence import SIDES, Side
from models.version import VERSION
from serving.asking import Answer, Refused

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LINES, SPANS = "access_log", "spans"
"""What may be lost of what is told of requests."""
OTHER = "other"
"""A rejection for a reason that this version does not know."""
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_LONG_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_IMAGES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_MODELS_TOLD = 8
"""Those that answered last: each has a hundred series."""
_REASONS = frozenset(map(str, ModelFault))
_STEPS = ("decode", "queue", "compute")
_TOOK = {"accepted": "vet", "rejected": "vet", "live": "load"}
disable_created_metrics()  # type: ignore[no-untyped-call]  # they would double the series


class Standing(NamedTuple):
    """How the server stands now.

    Attributes:
        is_ready: whether a model is live and requests are welcome.
        live: the live model; None while there is none.
        models: in memory, one that is being loaded included.
        images: under way.
        most_images: that may be.
        size: bytes under way, see `Room`.
        most_size: bytes that may be.
        restarts: of models' processes that crashed, hung or grew.
        tried: a model that is tried beside the live one; None while there is none.
    """

    is_ready: bool = False
    live: str | None = None
    models: int = 0
    images: int = 0
    most_images: int = 0
    size: int = 0
    most_size: int = 0
    restarts: int = 0
    tried: str | None = None


class Metrics:
    """Everything that is counted. Threads may count side by side.

    Args:
        standing: how the server stands, asked whenever somebody reads.
    """

    def __init__(self, standing: Callable[[], Standing]) -> None:
        self._registry = CollectorRegistry()
        self._lock = threading.Lock()
        self._of: dict[str, _OfModel] = {}
        self._latest = ""
        by_model = ("model_id", "protocol")
        self._seconds = self._histogram("hotswap_request_seconds", "From a request to its answer.", by_model, _SECONDS)
        self._images = self._counter("hotswap_images", "Images and rows that were answered.", by_model)
        self._steps = self._histogram(
            "hotswap_step_seconds", "Where the time of answered requests went.", ("model_id", "step"), _SECONDS
        )
        self._batches = self._histogram("hotswap_batch_images", "Images of a batch.", ("model_id",), _IMAGES)
        self._refused = self._counter(
            "hotswap_refused", "Requests that were not answered, by why.", ("code", "protocol")
        )
        self._faults = self._counter(
            "hotswap_image_faults", "Requests that were not answered for one of their images, by its fault.", ("error",)
        )
        self._abandoned = self._counter("hotswap_abandoned", "Requests whose clients went away.", ("protocol",))
        self._events = self._counter("hotswap_model_events", "What happened to models, by the word of it.", ("event",))
        self._rejected = self._counter(
            "hotswap_models_rejected", "Model files that are not served, by why.", ("reason",)
        )
        self._took = self._histogram(
            "hotswap_model_seconds", "How long models took to be vetted and loaded.", ("step",), _LONG_SECONDS
        )
        self._swaps = self._counter("hotswap_swaps", "Models that went live after another one.", ())
        self._swapped = Gauge(
            "hotswap_last_swap_timestamp_seconds", "When a model went live last.", registry=self._registry
        )
        self._had_live = False
        self._tried = self._counter(
            "hotswap_trial_images",
            "Images that had their part in a trial, by whose answer was noted.",
            ("mode", "side"),
        )
        self._dropped = self._counter(
            "hotswap_shadow_dropped", "Images that the new model was not asked about, for want of room.", ()
        )
        self._lost = self._counter(
            "hotswap_telemetry_lost", "Lines of the access log and spans that were not written.", ("what",)
        )
        self._begin_at_zero()
        Info("hotswap_build", "What runs.", registry=self._registry).info(
            {"version": VERSION, "python": platform.python_version()}
        )
        self._registry.register(_Standings(standing))
        ProcessCollector(registry=self._registry)

    def answered(self, answer: Answer, images: int, protocol: str, seconds: float) -> None:
        """Counts a request that has its answer."""
        of = self._of_model(answer.reference.model_id)
        of.answered(protocol, images, seconds)
        spent = answer.spent
        for step, took in zip(of.steps, (spent.decoding, spent.waiting, spent.computing), strict=True):
            step.observe(took)

    def batched(self, model_id: str, images: int) -> None:
        """Counts a batch."""
        self._of_model(model_id).batches.observe(images)

    def tried(self, mode: Mode, side: Side, images: int) -> None:
        """Counts images of which it was noted what a model made of them in a trial."""
        self._tried.labels(mode, side).inc(images)

    def dropped(self, images: int) -> None:
        """Counts images that the new model should have been asked about beside the old one, and was not."""
        self._dropped.inc(images)

    def refused(self, refused: Refused, protocol: str) -> None:
        """Counts a request that has none, once, whoever tells of it."""
        if refused.is_counted:
            return
        refused.is_counted = True
        self._refused.labels(refused.code.name, protocol).inc()
        if refused.fault is not None:
            self._faults.labels(refused.fault).inc()

    def abandoned(self, protocol: str) -> None:
        """Counts a request whose client waits no more."""
        self._abandoned.labels(protocol).inc()

    def lost(self, what: str, count: int) -> None:
        """Counts what could not be told of requests."""
        self._lost.labels(what).inc(count)

    def take_in(self, events: Iterable[ModelEvent]) -> None:
        """Counts what happened to models."""
        for event in events:
            self._events.labels(event.event).inc()
            if (step := _TOOK.get(event.event)) is not None:
                self._took.labels(step).observe(event.seconds)
            if event.event == "rejected":
                word = event.reason.partition(":")[0]
                self._rejected.labels(word if word in _REASONS else OTHER).inc()
            if event.event == "live":
                if self._had_live:
                    self._swaps.inc()
                self._had_live = True
                self._swapped.set(time.time())

    def text(self) -> bytes:
        """All of it, in Prometheus' text format. It looks at every process of the machine: not on the event loop."""
        return generate_latest(self._registry)

    def _begin_at_zero(self) -> None:
        """What there are few of is told from the start: an increase from nothing is none to Prometheus."""
        for counter, words in (
            (self._lost, (LINES, SPANS)),
            (self._events, get_args(EventKind)),
            (self._rejected, (*ModelFault, OTHER)),
        ):
            for word in words:
                counter.labels(word)
        for mode, side in product(get_args(Mode), SIDES):
            self._tried.labels(mode, side)

    def _counter(self, name: str, about: str, labels: tuple[str, ...]) -> Counter:
        return Counter(name, about, labels, registry=self._registry)

    def _histogram(self, name: str, about: str, labels: tuple[str, ...], buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, about, labels, buckets=buckets, registry=self._registry)

    def _of_model(self, model_id: str) -> _OfModel:
        """What is counted of a model; of models that answered long ago nothing is told any more."""
        found = self._of.get(model_id)
        if found is not None and model_id == self._latest:
            return found
        with self._lock:
            self._latest = model_id
            if (found := self._of.pop(model_id, None)) is not None:
                return self._of.setdefault(model_id, found)  # the last again
            while len(self._of) >= _MODELS_TOLD:
                old = next(iter(self._of))
                del self._of[old]
                for each in (self._images, self._seconds, self._steps, self._batches):
                    each.remove_by_labels({"model_id": old})
            made = _OfModel(model_id, self._seconds, self._images, self._steps, self._batches)
            return self._of.setdefault(model_id, made)


class _OfModel:
    """The series of one model. Finding them by their labels anew for each request would cost more than counting."""

    def __init__(
        self, model_id: str, seconds: Histogram, images: Counter, steps: Histogram, batches: Histogram
    ) -> None:
        self._model_id = model_id
        self._seconds = seconds
        self._images = images
        self._protocols: dict[str, tuple[Histogram, Counter]] = {}
        self.steps = tuple(steps.labels(model_id, step) for step in _STEPS)
        self.batches = batches.labels(model_id)

    def answered(self, protocol: str, images: int, seconds: float) -> None:
        found = self._protocols.get(protocol)
        if found is None:
            found = self._seconds.labels(self._model_id, protocol), self._images.labels(self._model_id, protocol)
            self._protocols[protocol] = found
        found[0].observe(seconds)
        found[1].inc(images)


class _Standings(Collector):
    """What is asked of the server whenever somebody reads."""

    def __init__(self, standing: Callable[[], Standing]) -> None:
        self._standing = standing

    def collect(self) -> Iterator[Metric]:
        now = self._standing()
        for name, about, value in (
            ("hotswap_ready", "1 while a model is live and requests are welcome.", now.is_ready),
            ("hotswap_queue_images", "Images under way.", now.images),
            ("hotswap_queue_images_limit", "Images that may be under way.", now.most_images),
            ("hotswap_queue_bytes", "Bytes of requests under way.", now.size),
            ("hotswap_queue_bytes_limit", "Bytes that may be under way.", now.most_size),
            ("hotswap_models_in_memory", "Models in memory, one that is being loaded included.", now.models),
            ("hotswap_children_memory_bytes", "Memory of the processes of models, and of vetting.", _of_children()),
        ):
            yield GaugeMetricFamily(name, about, value=value)
        live = GaugeMetricFamily("hotswap_live_model", "1 for the live model.", labels=("model_id",))
        if now.live is not None:
            live.add_metric((now.live,), 1)
        yield live
        tried = GaugeMetricFamily("hotswap_tried_model", "1 for a model that is tried.", labels=("model_id",))
        if now.tried is not None:
            tried.add_metric((now.tried,), 1)
        yield tried
        yield CounterMetricFamily(
            "hotswap_host_restarts", "Processes of models that were begun anew.", value=now.restarts
        )


def _of_children() -> int:
    """Bytes resident."""
    total = 0
    for child in psutil.Process().children(recursive=True):
        try:
            total += child.memory_info().rss
        except psutil.Error:  # it ended meanwhile
            continue
    return total
