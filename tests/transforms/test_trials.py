"""What the answers of a bundle say of a trial is counted once its images are through, and once for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.ml.inference.base import PredictionResult
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.test_pipeline import TestPipeline

from models.errors import ImageError, ImageFault
from models.records import Answer, ImageRequest, Origin
from models.reference import Mode, ModelReference, StatedTrial
from models.serving import ServingConfig
from models.tasks import ClassScore, Prediction, Ranked
from models.trials.evidence import Evidence
from models.trials.gathering import Gathering
from models.trials.gist import Gist
from models.trials.tried import Tried
from transforms.process import JobRun
from transforms.results import FormatResults

NEW = ModelReference("/new.onnx", "0123456789ab" + "0" * 52)
FAULT = ImageError(ImageFault.PREDICTION_FAILED, "why")
CAT, DOG = (Ranked((ClassScore(label, place, 0.9),)) for place, label in enumerate(("cat", "dog")))
IS_CAT, IS_DOG = Gist("cat", 0.9), Gist("dog", 0.9)
Shown = tuple[Prediction | ImageError, Tried | None]


@dataclass
class Stream:
    """A job's last steps, run anew for each bundle, while a model is tried."""

    run: JobRun
    config: ServingConfig

    @property
    def gathering(self) -> Gathering:
        return self.run.here.serving(self.config).gathering

    def begin(self, mode: Mode) -> StatedTrial:
        trial = StatedTrial(7, NEW, mode, 0.5)
        self.gathering.follow(trial)
        return trial

    def bundle(self, *shown: Shown, after: beam.PTransform | None = None, runner: Any = FnApiRunner) -> None:
        """One bundle with these answers; fails where the step `after` does."""
        with TestPipeline(runner=runner()) as pipeline:
            results = pipeline | beam.Create([0]) | beam.FlatMap(partial(answers, shown))
            formatted = results | FormatResults(self.config, self.run)
            if after is not None:
                _ = formatted.results | "After" >> after

    def seen(self, trial: StatedTrial) -> Evidence:
        with self.gathering.noting(trial) as evidence:
            return evidence

    def counted(self) -> dict[str, int]:
        tally = self.run.here.meter.tally()
        return {name: count for name, count in tally.items() if "on_trial" in name}


@pytest.fixture
def stream(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stream]:
    config = ServingConfig(str(tmp_path / "*.onnx"), cache_folder=str(tmp_path / "cache"))
    stream = Stream(JobRun(request.node.name), config)
    yield stream
    stream.run.here.end()


def answers(shown: tuple[Shown, ...], _: int) -> Iterator[PredictionResult]:
    for number, (outcome, tried) in enumerate(shown):
        request = ImageRequest(f"/{number}.png", Origin(str(number), "", {}))
        yield PredictionResult(request, Answer(outcome, "m", "2026-01-01T00:00:01.000000Z", tried), NEW.model_id)


class Fails(beam.DoFn):
    """At the second image."""

    def process(self, record: Any) -> Iterator[Any]:
        if record["image"] == "/1.png":
            raise OSError("the topic is gone")
        yield record


def test_a_canarys_answers_and_dead_letters_are_counted_by_side(stream: Stream) -> None:
    trial = stream.begin("canary")
    old, new = Tried(7, "old", None), Tried(7, "new", None)
    stream.bundle((CAT, old), (DOG, new), (FAULT, new), (CAT, old), (FAULT, old))
    seen = stream.seen(trial)
    assert (seen.old.answered, seen.old.failed, seen.new.answered, seen.new.failed) == (2, 1, 1, 1)
    assert seen.paired.images == 0
    assert stream.counted() == {"images_on_trial_old": 3, "images_on_trial_new": 2}


def test_in_the_shadow_both_models_are_counted_and_compared(stream: Stream) -> None:
    trial = stream.begin("shadow")
    told: list[Shown] = [(CAT, Tried(7, "old", other)) for other in (IS_CAT, IS_DOG, None)]
    stream.bundle(*told, (FAULT, Tried(7, "old", IS_CAT)), (CAT, None))
    seen = stream.seen(trial)
    assert (seen.old.answered, seen.old.failed, seen.new.answered, seen.new.failed) == (3, 1, 3, 1)
    paired = seen.paired
    assert (paired.images, paired.alike, paired.unlike, paired.old_alone, paired.new_alone) == (4, 1, 1, 1, 1)
    assert stream.counted() == {"images_on_trial_old": 4, "images_on_trial_new": 3}


def test_without_a_trial_nothing_is_counted(stream: Stream) -> None:
    stream.bundle((CAT, None), (FAULT, None))
    assert stream.counted() == {}


def test_answers_of_a_trial_that_is_over_count_for_no_other(stream: Stream) -> None:
    trial = stream.begin("canary")
    stream.bundle((CAT, Tried(6, "new", None)), (CAT, Tried(7, "new", None)))
    assert stream.seen(trial).new.answered == 1
    stream.gathering.follow(None)
    stream.bundle((CAT, Tried(7, "new", None)))


def test_a_bundle_that_fails_amid_its_images_counts_none_of_them(stream: Stream) -> None:
    trial = stream.begin("canary")
    shown: list[Shown] = [(CAT, Tried(7, "new", None))] * 3
    with pytest.raises(Exception, match="the topic is gone"):
        stream.bundle(*shown, after=beam.ParDo(Fails()))
    assert stream.seen(trial).new.answered == 0
    stream.bundle(*shown)
    assert stream.seen(trial).new.answered == 3


def test_on_the_direct_runner_each_answer_is_counted_once_too(stream: Stream) -> None:
    trial = stream.begin("canary")
    stream.bundle(*[(CAT, Tried(7, "new", None))] * 3, runner=BundleBasedDirectRunner)
    assert stream.seen(trial).new.answered == 3
