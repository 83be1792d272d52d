"""What Prometheus reads of a fleet. `docs/fleet.md` explains each name."""

from __future__ import annotations

import platform
from collections import Counter as Counted
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fleet.errors import StoreUnusable
from fleet.fleet import Fleet
from fleet.following import Outcome
from models.version import VERSION

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SEEN_SECONDS = 300.0
_DATABASE_UP, _OF_DATABASE = "hotswap_fleet_database_up", "Whether the database answers; without it gauges are missing."
UNCHANGED, TOLD, REFUSED, SLOWED, FAILED = "unchanged", "told", "refused", "slowed", "failed"
"""Outcomes of polls: nothing was new; what is desired was told; no token; too many; no answer of the database."""
disable_created_metrics()  # type: ignore[no-untyped-call]  # they would double the series


@dataclass(frozen=True, slots=True)
class Standing:
    """How a fleet stands now.

    Attributes:
        devices: that there are.
        seen: of them in the last five minutes.
        states: reported models of devices, by their state.
        releases: on record.
        rollouts: by their state.
    """

    devices: int = 0
    seen: int = 0
    states: Mapping[str, int] = field(default_factory=dict)
    releases: int = 0
    rollouts: Mapping[str, int] = field(default_factory=dict)


def standing_of(fleet: Fleet, now: float) -> Standing:
    """How a fleet stands, read from its database.

    Args:
        fleet: that is looked at.
        now: wall-clock seconds.

    Raises:
        StoreUnusable: the database does not answer.
    """
    devices = fleet.devices.all()
    return Standing(
        len(devices),
        sum(each.last_seen is not None and now - each.last_seen < _SEEN_SECONDS for each in devices),
        Counted(model.state for twin in fleet.twins.devices() for model in twin.reported.models),
        len(fleet.releases.all()),
        Counted(each.state for each in fleet.rollouts.all()),
    )


class Metrics:
    """Everything that is counted.

    Args:
        standing: how the fleet stands, asked whenever somebody reads, in a thread.
    """

    def __init__(self, standing: Callable[[], Standing]) -> None:
        self._registry = CollectorRegistry()
        polls = self._counter("hotswap_fleet_polls", "Devices that asked what they are to run.", "outcome")
        self.polls = {word: polls.labels(word) for word in (UNCHANGED, TOLD, REFUSED, SLOWED, FAILED)}
        reports = self._counter("hotswap_fleet_reports", "Devices that told what they run.", "outcome")
        self.reports = {word: reports.labels(word) for word in (TOLD, REFUSED, SLOWED, FAILED)}
        packaged = self._counter("hotswap_fleet_packaged", "Models that were packaged, or could not be.", "outcome")
        self.packaged = {word: packaged.labels(word) for word in get_args(Outcome)}
        self.sent = Counter(
            "hotswap_fleet_component_bytes", "Bytes of components that were sent.", registry=self._registry
        )
        Info("hotswap_build", "What runs.", registry=self._registry).info(
            {"version": VERSION, "python": platform.python_version()}
        )
        self._registry.register(_Standings(standing))
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """All of it, in Prometheus' text format; it asks the database: not on the event loop. Where that does not
        answer, what was counted is told nevertheless.
        """
        return generate_latest(self._registry)

    def _counter(self, name: str, about: str, label: str) -> Counter:
        return Counter(name, about, (label,), registry=self._registry)


class _Standings(Collector):
    """What is asked of the fleet whenever somebody reads."""

    def __init__(self, standing: Callable[[], Standing]) -> None:
        self._standing = standing

    def collect(self) -> Iterator[Metric]:
        try:
            now = self._standing()
        except StoreUnusable:  # which rounds tell of
            yield GaugeMetricFamily(_DATABASE_UP, _OF_DATABASE, value=0)
            return
        yield GaugeMetricFamily(_DATABASE_UP, _OF_DATABASE, value=1)
        yield GaugeMetricFamily("hotswap_fleet_devices", "Devices that there are.", value=now.devices)
        yield GaugeMetricFamily("hotswap_fleet_devices_seen", "Of them in the last five minutes.", value=now.seen)
        yield GaugeMetricFamily("hotswap_fleet_releases", "Components on record.", value=now.releases)
        for name, about, counts in (
            ("hotswap_fleet_models", "Components of devices, by what they report of them.", now.states),
            ("hotswap_fleet_rollouts", "Rollouts, by their state.", now.rollouts),
        ):
            family = GaugeMetricFamily(name, about, labels=("state",))
            for state, count in counts.items():
                family.add_metric((state,), count)
            yield family
