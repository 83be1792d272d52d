"""Requests wait for each other before they are read, so that a batch is made of paths and not of pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import apache_beam as beam
import pytest
from apache_beam.io.gcp.pubsub import PubsubMessage, ReadFromPubSub
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import fn_runner
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import FixedWindows, TimestampedValue

from beam_pipeline.options import parse_options
from beam_pipeline.pipeline import build
from launch.pubsub_emulator import PubSubEmulator
from models.images.decoding import Raster
from models.records import DecodedImage, ImageRequest, Origin
from tests import sample_images as samples
from tests.launch.dataflow.job_graph import graph_of_this_code
from tests.launch.pubsub_emulator.pubsub_clients import SUBSCRIPTION, TOPIC
from tests.waiting import eventually
from transforms.gathering import GatherRequests
from transforms.messages import ParseMessages
from transforms.process import JobRun
from transforms.reading import ReadImages

AN_HOUR_MS = 3_600_000
BATCH = 8

_bundles: list[list[str]] = []


class Note(beam.DoFn):
    """Notes the requests of each bundle."""

    def start_bundle(self) -> None:
        self._seen: list[str] = []

    def process(self, request: ImageRequest) -> None:
        self._seen.append(request.image)

    def finish_bundle(self) -> None:
        if self._seen:
            _bundles.append(self._seen)


def noted() -> int:
    return sum(map(len, _bundles))


@contextmanager
def streaming(wait_ms: int) -> Iterator[None]:
    """Gathers what is published, on the DirectRunner."""
    _bundles.clear()
    pipeline = beam.Pipeline(options=PipelineOptions(["--streaming"]))
    messages = pipeline | ReadFromPubSub(subscription=SUBSCRIPTION, with_attributes=True)
    requests = (messages | ParseMessages(JobRun("gathering"))).requests
    _ = requests | GatherRequests(BATCH, wait_ms) | beam.ParDo(Note())
    result = pipeline.run()
    try:
        yield
    finally:
        result.cancel()


def publish(emulator: PubSubEmulator, images: list[str]) -> None:
    for image in images:
        emulator.publish(TOPIC, image.encode())


def test_a_full_batch_goes_at_once_and_what_fills_none_waits(emulator: PubSubEmulator) -> None:
    images = [f"{number}.png" for number in range(2 * BATCH + 3)]
    with streaming(AN_HOUR_MS):
        publish(emulator, images)
        eventually(lambda: noted() >= 2 * BATCH, "two full batches")
        publish(emulator, images[: BATCH - 3])
        eventually(lambda: noted() >= 3 * BATCH, "the batch that the later ones fill")

    assert noted() == 3 * BATCH
    assert all(len(bundle) % BATCH == 0 for bundle in _bundles)


def test_what_fills_no_batch_goes_when_it_has_waited(emulator: PubSubEmulator) -> None:
    with streaming(300):
        publish(emulator, ["a.png", "b.png"])
        eventually(lambda: noted() == 2, "those that waited")
        publish(emulator, ["c.png"])
        eventually(lambda: noted() == 3, "the one that waited alone")

    assert sorted(image for bundle in _bundles for image in bundle) == ["a.png", "b.png", "c.png"]


def told(
    request: ImageRequest, window: Any = beam.DoFn.WindowParam, at: Any = beam.DoFn.TimestampParam
) -> tuple[Any, ...]:
    return request.image, tuple(request.origin), int(window.start), float(at)


def test_each_request_keeps_its_message_its_time_and_its_window() -> None:
    requests = [ImageRequest(f"{n}.png", Origin(str(n), "then", {"number": str(n)})) for n in range(50)]
    with TestPipeline() as pipeline:
        stamped = pipeline | beam.Create([(r, n) for n, r in enumerate(requests)]) | beam.MapTuple(TimestampedValue)
        gathered = stamped | beam.WindowInto(FixedWindows(20)) | GatherRequests(BATCH, AN_HOUR_MS)
        wanted = [(r.image, tuple(r.origin), n // 20 * 20, float(n)) for n, r in enumerate(requests)]
        assert_that(gathered | beam.Map(told), equal_to(wanted))


def refuse() -> NoReturn:
    raise TypeError("pixels have left their bundle")


def taken_apart(*_: Any) -> tuple[Any, ...]:
    """What pickling makes of pixels; Beam also pickles some only to learn how many bytes they are."""
    return refuse, ()


def name(image: DecodedImage) -> str:
    assert image.raster.pixels.any()
    return Path(image.request.image).name


def decoded(tmp_path: Path, between: Callable[[Any], Any]) -> None:
    """Gathers, reads and decodes images on a runner that encodes whatever leaves a bundle."""
    photo = samples.valid_files()["photo.jpg"]
    for number in range(20):
        (tmp_path / f"{number}.jpg").write_bytes(photo)
    requests = [ImageRequest(f"{tmp_path}/{number}.jpg", Origin("", "", {})) for number in range(20)]
    with beam.Pipeline(runner=fn_runner.FnApiRunner()) as pipeline:
        gathered = pipeline | beam.Create(requests) | GatherRequests(BATCH, AN_HOUR_MS)
        images = between((gathered | ReadImages(run=JobRun(str(tmp_path)))).images)
        assert_that(images | beam.Map(name), equal_to([f"{number}.jpg" for number in range(20)]))


def test_no_pixels_leave_the_bundle_that_read_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Raster, "__reduce_ex__", taken_apart)

    decoded(tmp_path, lambda images: images)
    with pytest.raises(Exception, match="Error decoding"):
        decoded(tmp_path, lambda images: images | beam.Reshuffle())


class Messages(beam.PTransform):
    """A source of messages, none of which will ever be read."""

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        return begin | beam.Impulse() | beam.Map(PubsubMessage, {}).with_output_types(PubsubMessage)


def stage_of(step: str, *options: str) -> list[str]:
    """The steps that share a bundle with this one in the job that Dataflow gets, as a portable runner fuses them."""
    argv = ["--runner=DataflowRunner", "--input_topic=projects/my-project/topics/images", "--model_pattern=x/*.h5"]
    _, job, mode = parse_options([*argv, "--output_path=x/out", *options])
    pipeline = beam.Pipeline()
    build(pipeline, Messages(), job, mode)
    _, stages = fn_runner.FnApiRunner().create_stages(pipeline.to_runner_api())
    [found] = [names for stage in stages if step in (names := [t.unique_name for t in stage.transforms])]
    return found


def test_what_was_gathered_is_read_and_answered_in_one_bundle() -> None:
    steps = stage_of("RunInference/BeamML_RunInference", "--max_batch_wait_ms=50")

    assert [step for step in steps if step.startswith("GatherRequests/ForAWhile")]
    assert "ReadImages/Read and decode/ParDo(_ReadImage)" in steps


def test_a_wait_adds_the_state_of_requests_and_nothing_else_to_the_job() -> None:
    at_once, waiting = graph_of_this_code(), graph_of_this_code("--max_batch_wait_ms=50")

    [(step, state)] = [kept for kept in waiting["state"].items() if kept not in at_once["state"].items()]
    assert step.startswith("GatherRequests/ForAWhile/")
    assert state["inputs"] == ["TupleCoder[StrUtf8Coder, TupleCoder[FastPrimitivesCoder, FastPrimitivesCoder]]"]
    added = set(waiting["steps"]) ^ set(at_once["steps"])
    assert all(each.startswith("GatherRequests/") for each in added)
