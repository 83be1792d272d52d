"""Bounded runs: how many images a second each way classifies, once loaded and warm."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.arms import Arm
from benchmarks.images import DIGITS, LARGE, MEDIUM, SMALL, in_turn
from benchmarks.ways import WAYS, Setup, Timing

Tell = Callable[[str], None]

_BATCH = 32
_WARM_IMAGES = 2 * _BATCH


@dataclass(frozen=True, slots=True)
class Subject:
    """A model that every way classifies images with.

    Attributes:
        name: as tables call it.
        model: its file, by the name that `make_models` gives it.
        original: the file that the stock way is given, which knows one kind only.
        images: how many in each run, by the name of their kind.
    """

    name: str
    model: str
    original: str
    images: Mapping[str, int]


def _mobilenet(small: int, medium: int, large: int) -> Subject:
    images = {SMALL.name: small, MEDIUM.name: medium, LARGE.name: large}
    return Subject("MobileNetV2", "mobilenet_a", "mobilenet_a", images)


def _digits(images: int) -> Subject:
    return Subject("digits", "digits_a", "digits_a", {DIGITS.name: images})


@dataclass(frozen=True, slots=True)
class ThroughputExtent:
    """How much is measured.

    Attributes:
        subjects: with what, the first of which is also measured with the TensorFlow engine.
        rounds: runs of each way; the ways take turns.
    """

    subjects: Sequence[Subject]
    rounds: int


FULL = ThroughputExtent(
    (
        _mobilenet(2000, 1000, 120),
        Subject("ResNet50", "resnet50", "resnet50", {MEDIUM.name: 256}),
        Subject("ResNet50 in int8", "resnet50_int8", "resnet50", {MEDIUM.name: 256}),
        _digits(6000),
    ),
    rounds=3,
)
QUICK = ThroughputExtent((_mobilenet(128, 256, 24), _digits(800)), rounds=2)


@dataclass(frozen=True, slots=True)
class Throughput:
    """All runs of one model over one kind of image, in the order in which they were made."""

    subject: str
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
        ways = {
            way: {
                "images_per_second": self.rate(way),
                "cpu_ms_per_image": self.cpu_milliseconds(way),
                "images": timings[0].images,
                "runs": [timing.rate for timing in timings],
            }
            for way, timings in self.timings.items()
        }
        return {"model": self.subject, "images": self.kind, "ways": ways}


@dataclass(frozen=True, slots=True)
class ThroughputReport:
    """What was measured.

    Attributes:
        runs: of each model over each kind of image.
        peaks: the most memory that each process held, in MiB, by model and way; `ours-tensorflow` is ours with
            TensorFlow as its engine, of the first model alone.
    """

    runs: Sequence[Throughput]
    peaks: Mapping[str, Mapping[str, float]]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"runs": [run.to_json() for run in self.runs], "peak_mebibytes": self.peaks}

    def find(self, subject: str, kind: str) -> Throughput | None:
        """The runs of a model over a kind of image, where they were made."""
        return next((run for run in self.runs if (run.subject, run.kind) == (subject, kind)), None)


def measure_throughput(
    extent: ThroughputExtent, models: Mapping[str, Path], images: Mapping[str, list[str]], folder: Path, tell: Tell
) -> ThroughputReport:
    """Runs every way with every model over every kind of image.

    Args:
        extent: how much.
        models: by name, as `make_models` gives them.
        images: paths by kind, as `make_images` gives them.
        folder: for compiled models and logs.
        tell: is told what happens.
    """
    runs: list[Throughput] = []
    peaks: dict[str, dict[str, float]] = {}
    for subject in extent.subjects:
        tell(f"throughput of {subject.name}: loading each way in a process of its own")
        mine, original = models[subject.model], models[subject.original]
        setups = {way: _setup(way, original if way == "stock" else mine, folder) for way in WAYS}
        with _arms(setups, folder) as arms:
            runs.extend(_one_kind(subject, kind, extent.rounds, images[kind], arms, tell) for kind in subject.images)
            peaks[subject.name] = {way: arm.peak_mebibytes() for way, arm in arms.items()}
    first = extent.subjects[0]
    peaks[first.name]["ours-tensorflow"] = _tensorflow_peak(first, models, images, folder, tell)
    return ThroughputReport(runs, peaks)


def _one_kind(
    subject: Subject, kind: str, rounds: int, distinct: list[str], arms: Mapping[str, Arm], tell: Tell
) -> Throughput:
    paths = in_turn(distinct, subject.images[kind])
    for arm in arms.values():
        arm.classify(in_turn(distinct, min(_WARM_IMAGES, len(paths))))
    timings: dict[str, list[Timing]] = {way: [] for way in arms}
    for _ in range(rounds):
        for way, arm in arms.items():
            timings[way].append(arm.classify(paths))
    measured = Throughput(subject.name, kind, timings)
    tell(f"  {kind}: " + ", ".join(f"{way} {measured.rate(way):.1f}/s" for way in arms))
    return measured


def _tensorflow_peak(
    subject: Subject, models: Mapping[str, Path], images: Mapping[str, list[str]], folder: Path, tell: Tell
) -> float:
    """Memory of our own worker with the other engine, after the same kind of work."""
    tell("  our worker's memory with the TensorFlow engine")
    *_, (kind, count) = subject.images.items()
    setup = _setup("ours", models[subject.model], folder, engine="tensorflow")
    with _arms({"ours-tensorflow": setup}, folder) as arms:
        (arm,) = arms.values()
        arm.classify(in_turn(images[kind], count))
        return arm.peak_mebibytes()


def _setup(way: str, model: Path, folder: Path, engine: str = "auto") -> Setup:
    return Setup(way, str(model), str(folder / "cache"), _BATCH, engine)


@contextmanager
def _arms(setups: Mapping[str, Setup], folder: Path) -> Iterator[dict[str, Arm]]:
    with ExitStack() as stack:
        arms = {}
        for name, setup in setups.items():
            arms[name] = Arm(setup, folder / f"{name}.log")
            stack.callback(arms[name].close)
        yield arms
