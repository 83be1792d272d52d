"""The stream: how much it sustains, and what a swap does to it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.images import DIGITS, ImageKind
from benchmarks.stream_run import Result, StreamFailed, StreamRun
from benchmarks.throughput import Tell

_SWAP_PATIENCE_SECONDS = 150.0
_IDLE_RATE = 4.0
_SETTLE_SECONDS = 30.0
_DIGITS_FACTOR = 3

GUESSES = {"ours": 150.0, "stock": 10.0, "stock, gathered": 30.0}
"""The ways, and images a second that each may reach; only the size of its flood depends on it."""


@dataclass(frozen=True, slots=True)
class StreamExtent:
    """How much is measured.

    Attributes:
        flood_seconds: about how long a flood takes to be worked off.
        ladder: fractions of the flood's rate that are tried, from the top, until one is sustained.
        step_seconds: how long each is tried.
        quiet_seconds: of quiet, and as much around the swap.
        swaps: the ways whose model is swapped; the sustained rate is found of all.
    """

    flood_seconds: float
    ladder: tuple[float, ...]
    step_seconds: float
    quiet_seconds: float
    swaps: frozenset[str]


FULL = StreamExtent(15.0, (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3), 20.0, 15.0, frozenset(GUESSES))
QUICK = StreamExtent(3.0, (0.9, 0.7, 0.5), 6.0, 10.0, frozenset({"ours", "stock"}))


@dataclass(frozen=True, slots=True)
class Span:
    """The results of one stretch of time.

    Attributes:
        results: how many.
        p50: seconds from the moment an image was due to its result, median.
        p99: the same, 99th percentile.
        longest_silence: most seconds between two results that follow each other.
    """

    results: int
    p50: float
    p99: float
    longest_silence: float


@dataclass(frozen=True, slots=True)
class Swap:
    """A swap under load.

    Attributes:
        rate: images a second meanwhile: half of what is sustained.
        quiet: before the new model landed.
        vetting: from the moment in which it landed until its first result.
        around: its first result, half of the time before.
        seconds: from landing to the first result, nothing known of the model.
        timeline: (seconds since the first result of the new model, latency in seconds, model) of each result from
            `quiet` on.
    """

    rate: float
    quiet: Span
    vetting: Span
    around: Span
    seconds: float
    timeline: Sequence[tuple[float, float, str]]


@dataclass(frozen=True, slots=True)
class StreamReport:
    """One stream.

    Attributes:
        way: a key of `GUESSES`.
        kind: of image.
        flood_rate: images a second when all wait to be read, from publishing to the last result.
        sustained_rate: the highest rate tried at which latency stayed bounded; 0 where none did.
        swap: None where none was tried.
        idle_seconds: from landing to the first result at four images a second, for a model of which nothing is known,
            and for one whose compiled form is in the cache; of ours alone.
    """

    way: str
    kind: str
    flood_rate: float
    sustained_rate: float
    swap: Swap | None
    idle_seconds: tuple[float, float] | None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def measure_stream(
    way: str,
    extent: StreamExtent,
    kind: ImageKind,
    paths: list[str],
    models: Mapping[str, Path],
    folder: Path,
    tell: Tell,
) -> StreamReport:
    """Starts one stream and takes all its measures.

    Args:
        way: a key of `GUESSES`.
        extent: how much.
        kind: the images.
        paths: their files.
        models: by name, as `make_models` gives them.
        folder: for this run alone.
        tell: is told what happens.

    Raises:
        StreamFailed: the stream ended, lost images, or never took the new model.
    """
    tell(f"stream of {kind.name}, {way}: starting")
    a, b, c = (models[f"{kind.model}_{which}"] for which in "abc")
    guess = GUESSES[way] * (_DIGITS_FACTOR if kind is DIGITS else 1)
    swap, idle = None, None
    with StreamRun(way, kind, paths, folder, a) as run:
        run.warm_up()
        flood_rate = run.flood(max(64, round(guess * extent.flood_seconds)))
        sustained = _sustained(run, flood_rate, extent)
        tell(f"  {way}: a flood is worked off at {flood_rate:.1f}/s; {sustained:.1f}/s is sustained")
        if way in extent.swaps:
            swap = _swap(run, (sustained or flood_rate * extent.ladder[-1]) / 2, extent, b)
            tell(f"  {way}: new model answers {swap.seconds:.1f} s after it landed, at {swap.rate:.1f}/s")
        if way == "ours":
            idle = _idle_landing(run, c, c.stem), _idle_landing(run, a, "known")
            tell(f"  {way}: on the idle machine after {idle[0]:.1f} s, and {idle[1]:.1f} s where it is known")
    return StreamReport(way, kind.name, flood_rate, sustained, swap, idle)


def is_bounded(results: Sequence[Result]) -> bool:
    """Whether latency stayed where it was: the last third's median against that of the second."""
    ordered = sorted(results, key=lambda result: result.due)
    third = len(ordered) // 3
    before, after = (float(np.median([r.latency for r in part])) for part in (ordered[third:-third], ordered[-third:]))
    return after <= 1.25 * before + 0.25


def _sustained(run: StreamRun, flood_rate: float, extent: StreamExtent) -> float:
    for fraction in extent.ladder:
        before = len(run.results)
        run.feed(flood_rate * fraction, extent.step_seconds)
        settled = run.settle(_SETTLE_SECONDS)
        if settled and is_bounded(run.results[before:]):
            return flood_rate * fraction
        run.settle(4 * _SETTLE_SECONDS)
    return 0.0


def _swap(run: StreamRun, rate: float, extent: StreamExtent, model: Path) -> Swap:
    """Quiet, then a swap under the same load."""
    run.feed(rate, 2.0)
    begin = time.monotonic()
    run.feed(rate, extent.quiet_seconds)
    quiet_end = time.monotonic()
    swapped = _await_swap(run, model, model.stem, rate)
    half = extent.quiet_seconds / 2
    run.feed(rate, max(1.0, swapped + half + 1 - time.monotonic()))
    run.settle(_SETTLE_SECONDS)
    landed = run.landed[model.stem]
    results = [result for result in run.results if begin <= result.due < swapped + half]
    return Swap(
        rate,
        quiet=_span([result for result in results if result.due < quiet_end]),
        vetting=_span([result for result in results if landed <= result.due < swapped]),
        around=_span([result for result in results if swapped - half <= result.due]),
        seconds=swapped - landed,
        timeline=[(result.due - swapped, result.latency, result.model) for result in results],
    )


def _idle_landing(run: StreamRun, model: Path, name: str) -> float:
    run.feed(_IDLE_RATE, 2.0)
    swapped = _await_swap(run, model, name, _IDLE_RATE)
    run.settle(_SETTLE_SECONDS)
    return swapped - run.landed[name]


def _await_swap(run: StreamRun, model: Path, name: str, rate: float) -> float:
    run.land(model, name)
    run.feed(rate, _SWAP_PATIENCE_SECONDS, until=lambda: run.results[-1].model == name)
    first = run.first_answer(name)
    if first is None:
        raise StreamFailed(f"{name} did not answer within {_SWAP_PATIENCE_SECONDS:.0f} s; see {run.folder}/log.txt")
    return first


def _span(results: Sequence[Result]) -> Span:
    latencies = [result.latency for result in results]
    arrived = np.sort([result.arrived for result in results])
    return Span(
        len(results),
        float(np.percentile(latencies, 50)),
        float(np.percentile(latencies, 99)),
        float(np.diff(arrived).max(initial=0.0)),
    )
