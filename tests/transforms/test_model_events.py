"""A model event that was told by a bundle that failed is told by another; one that was committed is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.ml.inference.base import PredictionResult
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to

from models.errors import ImageError, ImageFault
from models.events import EventLog, ModelEvent
from models.records import Answer, ImageRequest, Origin
from models.serving import ServingConfig
from transforms import metrics
from transforms.process import JobRun
from transforms.results import FormatResults

EVENTS = [ModelEvent(kind, "/m.onnx@sha256:0123456789ab", "m") for kind in ("loading", "live")]


@dataclass
class Stream:
    """A job's last steps, which run anew for each bundle."""

    run: JobRun
    config: ServingConfig

    @property
    def log(self) -> EventLog:
        return self.run.here.serving(self.config).events

    def bundle(self, tells: list[ModelEvent], after: beam.PTransform | None = None, runner: Any = FnApiRunner) -> None:
        """Two results in one bundle, and what it must tell; fails where the step `after` does."""
        with TestPipeline(runner=runner()) as pipeline:
            results = pipeline | beam.Create([0]) | beam.FlatMap(two_results)
            formatted = results | FormatResults(self.config, self.run)
            if after is not None:
                _ = formatted.dead_letters | "After" >> after
            assert_that(formatted.model_events, equal_to(tells))


@pytest.fixture
def stream(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stream]:
    config = ServingConfig(str(tmp_path / "*.onnx"), cache_folder=str(tmp_path / "cache"))
    stream = Stream(JobRun(request.node.name), config)
    yield stream
    stream.run.here.end()


def result(number: int, outcome: Any) -> PredictionResult:
    answer = Answer(outcome, "m", "2026-01-01T00:00:01.000000Z")
    return PredictionResult(ImageRequest(f"/{number}.png", Origin("", "", {})), answer, "/m.onnx@sha256:0123456789ab")


def two_results(_: int) -> Iterator[PredictionResult]:
    fault = ImageError(ImageFault.PREDICTION_FAILED, "why")
    yield from (result(number, fault) for number in range(2))


class FailsAtTheSecond(beam.DoFn):
    """By then the first has gone all its way, and the events with it."""

    def process(self, letter: Any) -> Iterator[Any]:
        if letter.image == "/1.png":
            raise OSError("the topic is gone")
        yield letter


class FailsAtTheEnd(beam.DoFn):
    """As sinks do, which write what they have gathered."""

    def process(self, letter: Any) -> Iterator[Any]:
        yield letter

    def finish_bundle(self) -> None:
        raise OSError("the topic is gone")


def fail(stream: Stream, how: type[beam.DoFn]) -> None:
    with pytest.raises(Exception, match="the topic is gone"):
        stream.bundle(EVENTS, beam.ParDo(how()))


@pytest.mark.parametrize("how", [FailsAtTheSecond, FailsAtTheEnd])
def test_what_a_failed_bundle_told_is_told_by_the_next_and_then_no_more(stream: Stream, how: type[beam.DoFn]) -> None:
    stream.log.add(ModelEvent("accepted", "before", "before"))
    stream.log.tell().confirm()
    for event in EVENTS:
        stream.log.add(event)

    fail(stream, how)
    stream.bundle(tells=EVENTS)
    stream.bundle(tells=[])
    assert stream.log.unconfirmed() == 0
    assert stream.run.here.meter.tally()[metrics.MODEL_EVENTS] == len(EVENTS)


def test_the_very_first_bundle_may_fail_at_its_end_too(stream: Stream) -> None:
    for event in EVENTS:
        stream.log.add(event)

    fail(stream, FailsAtTheEnd)
    stream.bundle(tells=[])  # after which it is known that this runner confirms
    stream.bundle(tells=EVENTS)
    stream.bundle(tells=[])


class ShyOnce:
    """A request whose image cannot be told the first time."""

    looks = 0
    origin = Origin("", "", {})

    @property
    def image(self) -> str:
        ShyOnce.looks += 1
        if ShyOnce.looks == 1:
            raise OSError("not yet")
        return "/1.png"


def test_a_step_that_fails_on_the_direct_runner_tells_again_when_it_is_tried_again(stream: Stream) -> None:
    """Its bundle-based executor never says what was committed, and tries a bundle again by itself."""
    for event in EVENTS:
        stream.log.add(event)

    with TestPipeline(runner=BundleBasedDirectRunner()) as pipeline:
        results = pipeline | beam.Create([0]) | beam.FlatMap(one_good_one_shy)
        formatted = results | FormatResults(stream.config, stream.run)
        assert_that(formatted.model_events, equal_to(EVENTS))
    assert ShyOnce.looks > 1
    assert stream.run.here.meter.tally()[metrics.MODEL_EVENTS] == len(EVENTS)
    stream.bundle(tells=[], runner=BundleBasedDirectRunner)


def one_good_one_shy(_: int) -> Iterator[PredictionResult]:
    good, other = two_results(0)
    yield good
    yield PredictionResult(ShyOnce(), other.inference, other.model_id)
