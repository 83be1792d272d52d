"""The one place that knows how a runner must be given side inputs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.coders import BooleanCoder, PickleCoder
from apache_beam.transforms import trigger, window
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.utils.timestamp import Timestamp

GATHER_SECONDS = 0.25
"""Where images wait for their statement, they wait half of this on average."""
WINDOW_SECONDS = 0.01
"""So short that it ends by the time the runner looks again, and holds what was gathered once."""


class SideInputMode(Enum):
    """How the live model reaches the images.

    `TRIGGERED`: one global window, a new pane whenever the model is stated; nothing waits. The way of runners that
    fire triggered side inputs, as Dataflow does.
    `WINDOWED`: short fixed windows, each with its own statement. The DirectRunner's bundle-based executor, which alone
    of the local ones reads Pub/Sub, makes an element wait for the end of its side input's window; so does Prism, which
    refuses the other way (https://github.com/apache/beam/issues/31438).
    """

    TRIGGERED = "triggered"
    WINDOWED = "windowed"

    @classmethod
    def of_runner(cls, runner: str | None) -> SideInputMode:
        """The mode of a runner, by its name as in `--runner`; none is Beam's default, the DirectRunner."""
        waits = any(name in (runner or "direct").lower() for name in ("direct", "prism"))
        return cls.WINDOWED if waits else cls.TRIGGERED


class Arrivals(NamedTuple):
    """Elements in the windows in which the live model will be stated.

    Attributes:
        elements: those that arrived, unchanged.
        moments: where windows need a statement each, exactly one element for each window that has elements.
    """

    elements: beam.PCollection
    moments: beam.PCollection


class WindowForModels(beam.PTransform):
    """Puts elements into the windows in which the live model will be stated; yields `Arrivals`.

    Where images wait for their statement, each bundle gets a short window of its own. The grouping lets no empty bundle
    through: the bundle-based runner cannot tell the window of one, and dies of it before a side input.
    """

    def __init__(self, mode: SideInputMode) -> None:
        super().__init__()
        self._mode = mode

    def expand(self, elements: beam.PCollection) -> Arrivals:
        if self._mode is SideInputMode.TRIGGERED:
            same = _unchanged(elements)
            return Arrivals(same, same)
        kind = elements.element_type
        moments = (
            elements
            | "InOneKey" >> beam.Map(_in_one_key).with_output_types(beam.typehints.Tuple[str, kind])
            | "AtOnce" >> latest_pane()
            | "NotEmpty" >> beam.GroupByKey()
            | "Stamp" >> beam.Map(_stamped).with_output_types(beam.typehints.Iterable[kind])
            | "OneWindowEach" >> beam.WindowInto(window.FixedWindows(WINDOW_SECONDS))
        )
        return Arrivals(moments | "Ungroup" >> beam.FlatMap(_themselves).with_output_types(kind), moments)


class Gather(beam.PTransform):
    """Makes one bundle of what arrives within a quarter of a second, for the DirectRunner, whose bundles are dear.

    It reads Pub/Sub ten messages at a time and spends a millisecond on each step of each bundle; a graph
    of twenty steps would leave it no time for images. A grouping by fixed windows would gather too, but that runner
    keeps a trace of every window that a grouping ever saw, and copies all of them with every bundle: after five minutes
    it does little else.
    """

    def expand(self, elements: beam.PCollection) -> beam.PCollection:
        kind = elements.element_type
        return (
            elements
            | "InOneKey" >> beam.Map(_in_one_key).with_output_types(beam.typehints.Tuple[str, kind])
            | "AtOnce" >> latest_pane()
            | "ForAMoment" >> beam.ParDo(_Gather()).with_output_types(beam.typehints.Tuple[str, kind])
            | "OneBundle" >> beam.GroupByKey()
            | "Ungroup" >> beam.FlatMapTuple(_values).with_output_types(kind)
        )


class WatermarkAlone(beam.PTransform):
    """One element, `("", "")`, and then nothing but the watermark of the elements: a clock for timers.

    The bundle-based runner runs no splittable DoFn, and so nothing of Beam's that comes periodically.
    """

    def expand(self, elements: beam.PCollection) -> beam.PCollection:
        never = (
            elements
            | "OnlyTheWatermark" >> beam.FlatMap(_nothing).with_output_types(tuple[str, str])
            | "GlobalWindow" >> beam.WindowInto(window.GlobalWindows())
        )
        seed = elements.pipeline | "Seed" >> beam.Create([("", "")]).with_output_types(tuple[str, str])
        return (seed, never) | "Clock" >> beam.Flatten()


def _nothing(_: Any) -> Iterable[tuple[str, str]]:
    return ()


def _unchanged(elements: beam.PCollection) -> beam.PCollection:
    """The same elements. A transform without any step of its own is one that runners do not know: Prism refuses it."""
    return (elements,) | "Unchanged" >> beam.Flatten()


class _Gather(beam.DoFn):
    """Holds elements back for a quarter of a second of the source's watermark, then lets them go together."""

    WAITING = BagStateSpec("waiting", PickleCoder())
    ARMED = ReadModifyWriteStateSpec("armed", BooleanCoder())
    DUE = TimerSpec("due", TimeDomain.WATERMARK)

    def process(
        self,
        keyed: tuple[str, Any],
        waiting: Any = beam.DoFn.StateParam(WAITING),
        armed: Any = beam.DoFn.StateParam(ARMED),
        due: Any = beam.DoFn.TimerParam(DUE),
    ) -> None:
        waiting.add(keyed[1])
        if not armed.read():
            armed.write(True)
            due.set(Timestamp.of(time.time() + GATHER_SECONDS))

    @on_timer(DUE)
    def let_go(
        self, waiting: Any = beam.DoFn.StateParam(WAITING), armed: Any = beam.DoFn.StateParam(ARMED)
    ) -> Iterable[tuple[str, Any]]:
        gathered = list(waiting.read())
        waiting.clear()
        armed.clear()
        for element in gathered:
            yield "", element


class WindowClock:
    """Wall-clock seconds, each more than a window after the one before, so that no two share a window."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._last = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        with self._lock:
            self._last = max(self._wall(), self._last + 2 * WINDOW_SECONDS)
            return self._last


_window_clock = WindowClock()


def _in_one_key(element: Any) -> tuple[str, Any]:
    return "", element


def _stamped(grouped: tuple[str, Iterable[Any]]) -> window.TimestampedValue:
    return window.TimestampedValue(list(grouped[1]), _window_clock())


def _values(key: str, values: Iterable[Any]) -> Iterable[Any]:
    return values


def _themselves(gathered: Iterable[Any]) -> Iterable[Any]:
    return gathered


def latest_pane() -> beam.WindowInto:
    """One global window in which each new element replaces the one before, for side inputs that change."""
    return beam.WindowInto(
        window.GlobalWindows(),
        trigger=trigger.Repeatedly(trigger.AfterCount(1)),
        accumulation_mode=trigger.AccumulationMode.DISCARDING,
    )
