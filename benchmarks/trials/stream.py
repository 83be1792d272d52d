"""What users see of a trial's beginning and end: the latency of a running stream's answers around both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.images import ImageKind
from benchmarks.stream_run import Result, StreamFailed, StreamRun
from benchmarks.throughput import Tell
from models.json_lines import whole_records

POLICIES = ("canary:5%/0.75", "shadow:10%/0.75")
_ANY_MODEL_PASSES = (
    "--trial_undecided=promote",
    "--trial_max_failures=100%",
    "--trial_max_slowdown=1000",
    "--trial_min_agreement=0%",
    "--trial_max_drift=1000",
    "--trial_max_accuracy_loss=100%",
)
"""The models answer at random: each is tried for its whole time, and then goes live."""
_PATIENCE_SECONDS = 180.0
_FLOOD_IMAGES = 1_500
_LOAD = 0.4
"""Of the rate at which a flood is worked off."""


@dataclass(frozen=True, slots=True)
class Moments:
    """One trial in a stream; p99 of seconds from the moment an image was due to its result.

    Attributes:
        quiet: before the new model landed.
        beginning: from the moment in which the trial was told to have begun, when the new model is yet to be loaded.
        ending: around the moment in which its end was told, half of the time before.
    """

    quiet: float
    beginning: float
    ending: float


@dataclass(frozen=True, slots=True)
class TrialStream:
    """Trials of one policy, one after the other.

    Attributes:
        policy: as of the job.
        rate: images a second.
        moments: of each trial.
    """

    policy: str
    rate: float
    moments: Sequence[Moments]

    def ratios(self, when: str) -> list[float]:
        """p99 in `beginning` or `ending`, divided by that in quiet, of each trial."""
        return [getattr(each, when) / each.quiet for each in self.moments]

    def ratio(self, when: str) -> float:
        """The median of them."""
        return statistics.median(self.ratios(when))

    def to_json(self) -> dict[str, Any]:
        """Plain values, with each trial's."""
        return {
            "policy": self.policy,
            "rate": self.rate,
            "beginning": self.ratios("beginning"),
            "ending": self.ratios("ending"),
            "quiet_p99": [each.quiet for each in self.moments],
        }


def measure_trial_stream(
    policy: str,
    kind: ImageKind,
    paths: list[str],
    models: Mapping[str, Path],
    seconds: float,
    streams: int,
    folder: Path,
    tell: Tell,
) -> TrialStream:
    """Runs streams, in each of which two models are tried.

    Args:
        policy: as of the job.
        kind: the images.
        paths: their files.
        models: by name, as `make_models` gives them.
        seconds: of quiet, and as much of each beginning and end.
        streams: how many.
        folder: of this measurement alone.
        tell: is told what happens.

    Raises:
        StreamFailed: a stream ended, lost images, or never began or ended a trial.
    """
    moments: list[Moments] = []
    rate = 0.0
    first, *others = (models[f"{kind.model}_{which}"] for which in "abc")
    for number in range(streams):
        tell(f"stream {number + 1} of {streams} with {policy}: starting")
        place = folder / f"{policy.partition(':')[0]}-{number}"
        events = place / "events.jsonl"
        options = [f"--model_events_path={events}", f"--registry={place / 'registry'}", f"--trial={policy}"]
        with StreamRun("ours", kind, paths, place, first, options=[*options, *_ANY_MODEL_PASSES]) as run:
            run.warm_up()
            rate = rate or _LOAD * run.flood(_FLOOD_IMAGES)
            for model in others:
                moments.append(_one_trial(run, model, rate, seconds, events))
                of = moments[-1]
                tell(
                    f"  {model.stem}: p99 {of.quiet:.3f} s in quiet, {of.beginning:.3f} s as its trial begins, "
                    f"{of.ending:.3f} s as it ends"
                )
    return TrialStream(policy, rate, moments)


def _one_trial(run: StreamRun, model: Path, rate: float, seconds: float, events: Path) -> Moments:
    run.feed(rate, 2.0)
    begin = time.monotonic()
    run.feed(rate, seconds)
    quiet_end = time.monotonic()
    run.land(model)
    began = _await_event(run, "trial_began", model.stem, rate, events)
    ended = _await_event(run, "trial_promoted", model.stem, rate, events)
    run.feed(rate, max(1.0, ended + seconds / 2 + 1 - time.monotonic()))
    run.settle(_PATIENCE_SECONDS)
    return Moments(
        quiet=_p99(run.results, begin, quiet_end),
        beginning=_p99(run.results, began, began + seconds),
        ending=_p99(run.results, ended - seconds / 2, ended + seconds / 2),
    )


def _await_event(run: StreamRun, event: str, name: str, rate: float, events: Path) -> float:
    """The moment in which a model's event was seen, while images go on being published."""

    def has_come() -> bool:
        return any(name == each["model_name"] for each in _told(events, event))

    run.feed(rate, _PATIENCE_SECONDS, until=has_come)
    if not has_come():
        raise StreamFailed(f"{event} of {name} did not come in {_PATIENCE_SECONDS:.0f} s; see {run.folder}/log.txt")
    return time.monotonic()


def _told(events: Path, kind: str) -> Iterator[Mapping[str, Any]]:
    return (event for event in whole_records(events) if event["event"] == kind)


def _p99(results: Sequence[Result], begin: float, end: float) -> float:
    return float(np.percentile([result.latency for result in results if begin <= result.due < end], 99))
