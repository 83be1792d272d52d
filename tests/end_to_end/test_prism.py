"""The job's graph on Prism: Beam's own portable streaming runner, with the SDK harness that Dataflow runs.

Prism 2.77 refuses side inputs that are triggered in the global window (https://github.com/apache/beam/issues/31438),
and `test_prism_refuses_triggered_side_inputs` says so until it does not. So the whole graph runs here with the side
input in windows; the half of the triggered graph that states models runs here; and the half that takes them in runs
in `test_triggered_side_inputs.py`, where a test plays the runner.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.io.gcp.pubsub import PubsubMessage
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineResult
from apache_beam.transforms.periodicsequence import PeriodicImpulse
from apache_beam.utils.timestamp import Timestamp

from beam_pipeline.option_table import JobOptions
from beam_pipeline.options import parse_options
from beam_pipeline.pipeline import build
from launch import prism
from models.json_lines import whole_records
from models.reference import Statement
from tests.end_to_end.telling_models import drop, untrue
from tests.sample_images import encoded, small
from tests.waiting import eventually
from transforms.process import JobRun
from transforms.sinks import WriteJson
from transforms.watching import WatchFilePattern
from transforms.windowing import SideInputMode

pytestmark = [
    pytest.mark.skipif(
        prism.go() is None and not prism.binary().exists(),
        reason="Prism is built by Go, and there is no Go on this machine",
    ),
    # The SDK harness' threads notice a cancelled job by failing.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]


@pytest.fixture(scope="module")
def prism_binary() -> Path:
    return prism.build()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "models").mkdir()
    (tmp_path / "image.png").write_bytes(encoded(small(), "PNG"))
    yield tmp_path
    run_of(tmp_path).here.end()


def run_of(world: Path) -> JobRun:
    """Each world's job has a run of its own: one that has ended answers nothing more."""
    return JobRun(str(world))


class Messages(beam.PTransform):
    """An unbounded source of messages, one every so many seconds; it writes down the numbers that are their ids."""

    def __init__(self, image: Path, every: float) -> None:
        super().__init__()
        self._image = str(image)
        self._sent = str(image.with_name("sent.txt"))
        self._every = every

    def expand(self, begin: Any) -> Any:
        image, sent, every, start = self._image.encode(), self._sent, self._every, Timestamp.now()

        def message(moment: float) -> PubsubMessage:
            number = str(round((moment - float(start)) / every))
            with Path(sent).open("a") as file:
                file.write(f"{number}\n")
            return PubsubMessage(image, {"number": number}, message_id=number)

        moments = begin | PeriodicImpulse(start, fire_interval=every)
        return moments | beam.Map(message).with_output_types(PubsubMessage)


def job_on_prism(world: Path, binary: Path) -> tuple[PipelineOptions, JobOptions, SideInputMode]:
    return parse_options(
        [
            "--runner=PrismRunner",
            f"--prism_location={binary}",
            "--prism_log_level=error",
            # Each test its own Prism: a shared one keeps the jobs of the tests before.
            "--experiments=disable_prism_server_singleton",
            "--input_topic=projects/not-used/topics/images",
            f"--model_pattern={world}/models/*.onnx",
            "--model_poll_seconds=0.2",
            f"--image_prefix={world}",
            "--engine=onnx",
            f"--model_cache={world}/cache",
            f"--output_path={world}/results.jsonl",
            f"--dead_letter_path={world}/dead_letters.jsonl",
            f"--model_events_path={world}/events.jsonl",
        ]
    )


def started(world: Path, binary: Path, source: beam.PTransform, mode: SideInputMode) -> PipelineResult:
    options, job, _ = job_on_prism(world, binary)
    pipeline = beam.Pipeline(options=options)
    build(pipeline, source, job, mode, run_of(world))
    return pipeline.run()


# Prism fires a pane for each element, and in windows each pane waits for a window of its own: no more than 50 a second.
@pytest.mark.parametrize("every", [0.05, 0.2], ids=["20 a second", "5 a second"])
def test_a_model_dropped_under_the_running_stream_takes_over_and_nothing_is_lost(
    world: Path, prism_binary: Path, every: float
) -> None:
    results, events = world / "results.jsonl", world / "events.jsonl"
    ids = {"first": drop(world / "models", "first")}

    running = started(world, prism_binary, Messages(world / "image.png", every), SideInputMode.WINDOWED)
    try:
        eventually(lambda: len(whole_records(results)) > 10, "results of the first model")
        (world / "models" / "broken.onnx").write_bytes(b"not a model at all")
        eventually(
            lambda: [e for e in whole_records(events) if e["event"] == "rejected"], "the rejection of a broken file"
        )
        ids["second"] = drop(world / "models", "second")
        eventually(
            lambda: sum(r["label"] == "second" for r in whole_records(results)) > 10, "results of the second model"
        )
        sent = {int(number) for number in (world / "sent.txt").read_text().split()}
        with contextlib.suppress(AssertionError):
            eventually(lambda: sent <= set(numbers(results)), "a result of every message so far", seconds=30)
        assert sorted(sent - set(numbers(results))) == [], f"{run_of(world).here.meter.tally()}"
    finally:
        running.cancel()

    written = whole_records(results)  # once: what is cancelled may go on writing for a moment
    assert len(written) == len({record["message_id"] for record in written}), "one result each"
    assert untrue(written, ids) == []
    assert whole_records(world / "dead_letters.jsonl") == []
    in_time = [r["label"] for r in sorted(written, key=lambda r: r["predict_time"])]
    assert (in_time[0], set(in_time[-5:])) == ("first", {"second"})


def numbers(path: Path) -> list[int]:
    return [int(record["message_id"]) for record in whole_records(path)]


def test_prism_states_every_change_of_models_as_a_new_pane_at_once(world: Path, prism_binary: Path) -> None:
    stated = world / "stated.jsonl"
    options, job, _ = job_on_prism(world, prism_binary)
    mode = SideInputMode.TRIGGERED
    pipeline = beam.Pipeline(options=options)
    begin = pipeline | beam.Impulse()
    watched = begin | WatchFilePattern(
        job.model_pattern, job.model_poll_seconds, config=job.serving, mode=mode, run=run_of(world)
    )
    _ = watched.metadata | beam.Map(lambda metadata: {"id": metadata.model_id}) | WriteJson(path=str(stated))
    ids = [drop(world / "models", "first")]

    running = pipeline.run()
    try:
        for name in ("second", "third"):
            eventually(lambda: statements(stated)[-1:] == ids[-1:], f"{ids[-1]} stated")
            ids.append(drop(world / "models", name))
        eventually(lambda: statements(stated)[-1:] == ids[-1:], f"{ids[-1]} stated")
    finally:
        running.cancel()

    in_order = list(dict.fromkeys(statements(stated)))
    assert in_order == ids
    assert statements(stated) == sorted(statements(stated), key=ids.index), "no older model is stated after a newer"


def statements(path: Path) -> list[str]:
    return [Statement.decode(record["id"]).reference.model_id for record in whole_records(path)]


def test_prism_refuses_triggered_side_inputs(world: Path, prism_binary: Path) -> None:
    source = Messages(world / "image.png", 1.0)
    with pytest.raises(Exception, match="Unbounded GlobalWindow Triggered SideInput") as refusal:
        # Once Prism takes this, the first test is for SideInputMode.TRIGGERED, and so is SideInputMode.of_runner.
        started(world, prism_binary, source, SideInputMode.TRIGGERED)
    assert "found 1 uses of features unimplemented in prism" in str(refusal.value), "and nothing else of the graph"
