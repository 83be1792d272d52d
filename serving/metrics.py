"""What Prometheus reads, by the model that answered."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from models.events import ModelEvent
from serving.asking import Answer, Code

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_IMAGES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_MODELS_TOLD = 8
"""Those that answered last: each is a dozen series."""


class Metrics:
    """Everything that is counted. Threads may count side by side.

    Args:
        queue: how many images are under way.
        models: how many models are in memory.
    """

    def __init__(self, queue: Callable[[], int], models: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self._told: dict[str, None] = {}
        by_model = ("model_id", "protocol")
        self._requests = self._counter("hotswap_requests", "Requests that were answered.", by_model)
        self._images = self._counter("hotswap_images", "Images and rows that were answered.", by_model)
        self._refused = self._counter(
            "hotswap_refused", "Requests that were not answered, by why.", ("code", "protocol")
        )
        self._seconds = Histogram(
            "hotswap_request_seconds",
            "From a request to its answer.",
            by_model,
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._batches = Histogram(
            "hotswap_batch_images", "Images of a batch.", ("model_id",), buckets=_IMAGES, registry=self._registry
        )
        self._events = self._counter("hotswap_model_events", "What happened to models, by the word of it.", ("event",))
        self._swaps = self._counter("hotswap_swaps", "Models that went live after another one.", ())
        self._live = Gauge("hotswap_live_model", "1 for the live model.", ("model_id",), registry=self._registry)
        self._lives = Counts[str]()
        for name, about, asked in (
            ("hotswap_queue_images", "Images under way.", queue),
            ("hotswap_models_in_memory", "Models in memory, one that is being loaded included.", models),
        ):
            Gauge(name, about, registry=self._registry).set_function(asked)

    def answered(self, answer: Answer, images: int, protocol: str, seconds: float) -> None:
        """Counts a request that has its answer."""
        model = answer.reference.model_id
        self._remember(model)
        self._requests.labels(model, protocol).inc()
        self._images.labels(model, protocol).inc(images)
        self._seconds.labels(model, protocol).observe(seconds)

    def batched(self, model_id: str, images: int) -> None:
        """Counts a batch."""
        self._remember(model_id)
        self._batches.labels(model_id).observe(images)

    def refused(self, code: Code, protocol: str) -> None:
        """Counts a request that has none."""
        self._refused.labels(code.grpc, protocol).inc()

    def take_in(self, events: Iterable[ModelEvent]) -> None:
        """Counts what happened to models."""
        for event in events:
            self._events.labels(event.event).inc()
            if event.event == "live":
                self._swaps.inc() if self._lives else None
                self._lives[event.model_id] += 1
                self._live.clear()
                self._live.labels(event.model_id).set(1)

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, about: str, labels: tuple[str, ...]) -> Counter:
        return Counter(name, about, labels, registry=self._registry)

    def _remember(self, model_id: str) -> None:
        """Has models that answered long ago be told no more."""
        if model_id in self._told:
            return
        self._told[model_id] = None
        while len(self._told) > _MODELS_TOLD:
            old = next(iter(self._told))
            del self._told[old]
            for each in (self._requests, self._images, self._seconds, self._batches):
                each.remove_by_labels({"model_id": old})
