"""Bounded runs: how many images a second each way classifies, once loaded and warm."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.arms import Arm
from benchmarks.images import DIGITS, KINDS, LARGE, MEDIUM, SMALL, ImageKind, in_turn
from benchmarks.ways import WAYS, Setup, Timing

Tell = Callable[[str], None]

_BATCH = 32
_WARM_IMAGES = 2 * _BATCH


@dataclass(frozen=True, slots=True)
class ThroughputExtent:
    """How much is measured.

    Attributes:
        images: in each run, by the name of the kind.
        rounds: runs of each way; the ways take turns.
    """

    images: Mapping[str, int]
    rounds: int


FULL = ThroughputExtent({SMALL.name: 2000, MEDIUM.name: 1000, LARGE.name: 120, DIGITS.name: 6000}, rounds=3)
QUICK = ThroughputExtent({SMALL.name: 128, MEDIUM.name: 256, LARGE.name: 24, DIGITS.name: 800}, rounds=2)


@dataclass(frozen=True, slots=True)
class Throughput:
    """All runs over one kind of image, in the order in which they were made."""

    kind: str
    timings: Mapping[str, Sequence[Timing]]

    def rate(self, way: str) -> float:
        """Images a second: the median of the rounds."""
        return statistics.median(timing.rate for timing in self.timings[way])

    def cpu_milliseconds(self, way: str) -> float:
        """CPU time an image, over all cores: the median of the rounds."""
        return 1000 * statistics.median(timing.cpu_seconds / timing.images for timing in self.timings[way])

    def ratio(self, way: str, other: str) -> float:
        """How many times as fast as `other`: the median of the rounds' own ratios, so that drift cancels out."""
        pairs = zip(self.timings[way], self.timings[other], strict=True)
        return statistics.median(one.rate / another.rate for one, another in pairs)

    def to_json(self) -> dict[str, Any]:
        """Rates, CPU time and the single runs."""
        return {
            way: {
                "images_per_second": self.rate(way),
                "cpu_ms_per_image": self.cpu_milliseconds(way),
                "images": timings[0].images,
                "runs": [timing.rate for timing in timings],
            }
            for way, timings in self.timings.items()
        }


@dataclass(frozen=True, slots=True)
class ThroughputReport:
    """What was measured.

    Attributes:
        kinds: by name of the kind of image.
        peaks: the most memory that each process held, in MiB, by model and way; `ours-tensorflow` is ours with
            TensorFlow as its engine, on photographs alone.
    """

    kinds: Mapping[str, Throughput]
    peaks: Mapping[str, Mapping[str, float]]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"kinds": {name: kind.to_json() for name, kind in self.kinds.items()}, "peak_mebibytes": self.peaks}


def measure_throughput(
    extent: ThroughputExtent, models: Mapping[str, Path], images: Mapping[str, list[str]], folder: Path, tell: Tell
) -> ThroughputReport:
    """Runs every way over every kind of image.

    Args:
        extent: how much.
        models: by name, as `make_models` gives them.
        images: paths by kind, as `make_images` gives them; kinds that are missing are left out.
        folder: for compiled models and logs.
        tell: is told what happens.
    """
    kinds: dict[str, Throughput] = {}
    peaks: dict[str, dict[str, float]] = {}
    for model in ("mobilenet", "digits"):
        mine = [kind for kind in KINDS if kind.model == model and kind.name in images]
        if not mine:
            continue
        tell(f"throughput of {model}: loading each way in a process of its own")
        with _arms({way: way for way in WAYS}, models[f"{model}_a"], folder) as arms:
            for kind in mine:
                kinds[kind.name] = _one_kind(kind, extent, images[kind.name], arms, tell)
            peaks[model] = {way: arm.peak_mebibytes() for way, arm in arms.items()}
        if model == "mobilenet":
            peaks[model]["ours-tensorflow"] = _tensorflow_peak(
                mine[-1], extent, models[f"{model}_a"], images, folder, tell
            )
    return ThroughputReport(kinds, peaks)


def _one_kind(
    kind: ImageKind, extent: ThroughputExtent, distinct: list[str], arms: Mapping[str, Arm], tell: Tell
) -> Throughput:
    paths = in_turn(distinct, extent.images[kind.name])
    for arm in arms.values():
        arm.classify(in_turn(distinct, min(_WARM_IMAGES, len(paths))))
    timings: dict[str, list[Timing]] = {way: [] for way in arms}
    for _ in range(extent.rounds):
        for way, arm in arms.items():
            timings[way].append(arm.classify(paths))
    measured = Throughput(kind.name, timings)
    tell(f"  {kind.name}: " + ", ".join(f"{way} {measured.rate(way):.1f}/s" for way in arms))
    return measured


def _tensorflow_peak(
    kind: ImageKind, extent: ThroughputExtent, model: Path, images: Mapping[str, list[str]], folder: Path, tell: Tell
) -> float:
    """Memory of our own worker with the other engine, after the same kind of work."""
    tell("  our worker's memory with the TensorFlow engine")
    with _arms({"ours-tensorflow": "ours"}, model, folder, engine="tensorflow") as arms:
        (arm,) = arms.values()
        arm.classify(in_turn(images[kind.name], extent.images[kind.name]))
        return arm.peak_mebibytes()


@contextmanager
def _arms(ways: Mapping[str, str], model: Path, folder: Path, engine: str = "auto") -> Iterator[dict[str, Arm]]:
    with ExitStack() as stack:
        arms = {}
        for name, way in ways.items():
            setup = Setup(way, str(model), str(folder / "cache"), _BATCH, engine)
            arms[name] = Arm(setup, folder / f"{name}.log")
            stack.callback(arms[name].close)
        yield arms
