"""What a trial takes of throughput: the same steps without one, with a canary and with a shadow, in turn."""

from __future__ import annotations

import os
import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.images import in_turn
from benchmarks.throughput import Tell
from benchmarks.trials.steps import TrialSteps, Way
from benchmarks.ways import Timing

NONE = Way("no trial")
CANARY = Way("canary of 5 %", "canary", 0.05)
SHADOW = Way("shadow of 10 %", "shadow", 0.10)
WAYS = (NONE, CANARY, SHADOW)
_WARM_IMAGES = 64
_RESAMPLINGS = 4_000
_SEED = 1


class Cost(NamedTuple):
    """What a way takes, as a share of the throughput without a trial; between 0 and 1, below 0 where it was faster.

    Attributes:
        median: over the rounds, each held against the run without a trial of its own round.
        low: of the interval in which the median lies with 95 % confidence.
        high: the same.
    """

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class TrialThroughput:
    """All runs of one model over one kind of image, by way, in the order of their rounds.

    Attributes:
        subject: the model and its images.
        timings: of each way's runs.
        tried: how many of its images the new model was asked, a run.
    """

    subject: str
    timings: Mapping[str, Sequence[Timing]]
    tried: Mapping[str, int]

    def rate(self, way: Way) -> float:
        """Images a second: the median of the rounds."""
        return statistics.median(timing.rate for timing in self.timings[way.name])

    def cost(self, way: Way) -> Cost:
        """What it takes; the interval by resampling the rounds."""
        pairs = zip(self.timings[way.name], self.timings[NONE.name], strict=True)
        taken = np.array([1 - mine.rate / without.rate for mine, without in pairs])
        chance = np.random.default_rng(_SEED)
        medians = np.median(chance.choice(taken, (_RESAMPLINGS, len(taken))), axis=1)
        low, high = np.percentile(medians, (2.5, 97.5))
        return Cost(float(np.median(taken)), float(low), float(high))

    def cpu_ratio(self, way: Way) -> float:
        """CPU time an image as a multiple of that without a trial: the median of the rounds' own ratios."""
        pairs = zip(self.timings[way.name], self.timings[NONE.name], strict=True)
        return statistics.median(mine.cpu_seconds / without.cpu_seconds for mine, without in pairs)

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the single runs."""
        return {
            "subject": self.subject,
            "ways": {
                way.name: {
                    "images_per_second": self.rate(way),
                    "cost": self.cost(way)._asdict(),
                    "cpu_ratio": self.cpu_ratio(way),
                    "tried": self.tried[way.name],
                    "runs": [timing.rate for timing in self.timings[way.name]],
                }
                for way in WAYS
            },
        }


def measure_trial_throughput(
    subject: str,
    models: tuple[Path, Path],
    distinct: Sequence[str],
    count: int,
    rounds: int,
    folder: Path,
    tell: Tell,
) -> TrialThroughput:
    """Runs each way once a round, in an order of its own in each.

    Args:
        subject: as tables call it.
        models: the live one and the one that is tried.
        distinct: paths of images.
        count: images in each run.
        rounds: how many.
        folder: of this measurement alone.
        tell: is told what happens.
    """
    paths = _each_its_own_path(in_turn(list(distinct), count), folder / "images")
    timings: dict[str, list[Timing]] = {way.name: [] for way in WAYS}
    tried: dict[str, int] = {}
    chance = random.Random(_SEED)  # noqa: S311 - an order is no secret
    steps = TrialSteps(*models, folder)
    try:
        for number in range(rounds):
            for way in chance.sample(WAYS, len(WAYS)):
                tried[way.name] = steps.answer_by(way, paths)
                steps.classify(paths[:_WARM_IMAGES])
                timings[way.name].append(steps.classify(paths))
            rates = ", ".join(f"{way.name} {timings[way.name][-1].rate:.1f}/s" for way in WAYS)
            tell(f"  {subject}, round {number + 1} of {rounds}: {rates}")
    finally:
        steps.close()
    return TrialThroughput(subject, timings, tried)


def _each_its_own_path(paths: Sequence[str], folder: Path) -> list[str]:
    """The same files, each under a name of its own: by its path an image is tried or not."""
    folder.mkdir(parents=True, exist_ok=True)
    named = []
    for number, path in enumerate(paths):
        link = folder / f"{number:05d}{Path(path).suffix}"
        link.unlink(missing_ok=True)
        os.link(path, link)
        named.append(str(link))
    return named
