"""Feedback of strangers: what tells a label meets its answer on either kind of runner; the rest is a dead letter."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.io import PubsubMessage
from apache_beam.ml.inference.base import PredictionResult
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.test_stream import TestStream
from apache_beam.testing.util import assert_that, equal_to, is_empty

from models.errors import ImageError, ImageFault
from models.records import REPLAY_OF, Answer, DeadLetter, ImageRequest, Origin
from models.reference import Mode, ModelReference, StatedTrial
from models.serving import Serving, ServingConfig
from models.tasks.prediction import ClassScore, Ranked
from models.trials.gist import Gist
from models.trials.labelling import KEPT_SECONDS
from models.trials.tried import Tried
from tests.launch.dataflow.job_graph import FEEDBACK, graph_of_this_code
from tests.model_files import tiny_classifier
from transforms import metrics
from transforms.feedback import NoteLabels, ParseFeedback
from transforms.process import JobRun
from transforms.windowing import SideInputMode

NUMBER = 3
MODES = pytest.mark.parametrize("mode", list(SideInputMode))


def told(message_id: object, label: object, **more: object) -> bytes:
    return json.dumps({"message_id": message_id, "label": label, **more}).encode()


@pytest.mark.parametrize(
    ("payload", "attributes"),
    [
        (told("17", "7"), {}),
        (told("17", "7", by="alice"), {"label": "8"}),
        (b"", {"message_id": "17", "label": "7"}),
    ],
    ids=["payload", "payload before attributes", "attributes"],
)
def test_a_label_is_told_by_the_payload_or_by_attributes(payload: bytes, attributes: dict[str, str]) -> None:
    with TestPipeline() as pipeline:
        parsed = pipeline | beam.Create([PubsubMessage(payload, attributes)]) | ParseFeedback()
        assert_that(parsed.labels, equal_to([("17", "7")]))
        assert_that(parsed.dead_letters, is_empty(), label="no letters")


HOSTILE = {
    "nothing": b"",
    "no text": b"\xff\xfe",
    "no JSON": b"seven",
    "no object": b"[1, 2]",
    "half": b'{"message_id": "17", "label": ',
    "deep": b"[" * 60_000,
    "a number of many digits": b'{"message_id": "17", "label": ' + b"9" * 60_000 + b"}",
    "no id": b'{"label": "7"}',
    "no label": b'{"message_id": "17"}',
    "an empty id": told("", "7"),
    "an id that is none": told(17, "7"),
    "a label that is none": told("17", ["7"]),
    "a huge id": told("1" * 300, "7"),
    "a huge label": told("17", "7" * 2000),
    "half a character": b'{"message_id": "\\ud800", "label": "7"}',
    "half a character as a label": b'{"message_id": "17", "label": "\\udfff"}',
    "a huge payload": told("17", "7", more="x" * 70_000),
}


def test_what_tells_no_label_is_a_dead_letter_with_its_reason_and_stops_nothing() -> None:
    run = JobRun("hostile feedback")
    messages = [PubsubMessage(payload, {}, message_id=name) for name, payload in HOSTILE.items()]
    with TestPipeline() as pipeline:
        parsed = pipeline | beam.Create([*messages, PubsubMessage(told("1", ""), {})]) | ParseFeedback(run)
        assert_that(parsed.labels, equal_to([("1", "")]))
        kinds = parsed.dead_letters | beam.Map(_kind)
        expected = [(name, "message", "bad_feedback", True, True) for name in HOSTILE]
        assert_that(kinds, equal_to(expected), label="letters")


def _kind(letter: DeadLetter) -> tuple[str, str, str, bool, bool]:
    record = json.dumps(letter.to_json())
    is_one_line = bool(letter.detail) and "\n" not in letter.detail and len(letter.detail) < 200
    return letter.origin.message_id, letter.stage, str(letter.error), is_one_line, len(record) < 100_000


@pytest.fixture
def serving(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[JobRun, ServingConfig, Serving]]:
    run = JobRun(request.node.name)
    config = ServingConfig(f"{tmp_path}/*.onnx", cache_folder=str(tmp_path / "cache"))
    yield run, config, run.here.serving(config)
    run.here.end()


def begin(serving: Serving, how: Mode, number: int = NUMBER) -> StatedTrial:
    trial = StatedTrial(number, ModelReference("gs://b/new.h5", "0" * 64), how, 0.5)
    serving.gathering.follow(trial)
    return trial


def answered(message_id: str, label: str, tried: Tried | None) -> PredictionResult:
    outcome = Ranked((ClassScore(label, 0, 0.9),))
    request = ImageRequest(f"{message_id}.png", Origin(message_id, "", {}))
    return PredictionResult(request, Answer(outcome, "a model", "", tried), "id")


def joined(
    run: JobRun, config: ServingConfig, mode: SideInputMode, answers: Sequence[Any], labels: Sequence[tuple[str, str]]
) -> None:
    with TestPipeline() as pipeline:
        predictions = pipeline | "predictions" >> beam.Create(list(answers))
        feedback = pipeline | "feedback" >> beam.Create(list(labels)).with_output_types(tuple[str, str])
        _ = (predictions, feedback) | NoteLabels(config, mode, run)


@MODES
def test_labels_of_a_canary_are_noted_for_the_model_that_answered(
    serving: tuple[JobRun, ServingConfig, Serving], mode: SideInputMode
) -> None:
    run, config, here = serving
    trial = begin(here, "canary")
    answers = [
        answered("1", "seven", Tried(NUMBER, "old", None)),
        answered("2", "one", Tried(NUMBER, "new", None)),
        answered("3", "one", Tried(NUMBER - 1, "new", None)),
        answered("4", "one", None),
        answered("", "one", Tried(NUMBER, "old", None)),
    ]
    labels = [(number, "seven") for number in ("1", "2", "2", "3", "4", "unknown")]

    joined(run, config, mode, answers, labels)

    with here.gathering.noting(trial) as evidence:
        assert [(side.labelled, side.right) for side in (evidence.old, evidence.new)] == [(1, 1), (1, 0)]
    assert run.here.meter.tally()[metrics.FEEDBACK_NOTED] == 2


def test_in_beams_state_a_label_waits_an_hour_for_its_answer_and_no_longer(
    serving: tuple[JobRun, ServingConfig, Serving],
) -> None:
    run, config, here = serving
    begin(here, "canary")
    stream = TestStream().advance_watermark_to(0).advance_processing_time(int(time.time()))
    stream = stream.add_elements([("early", "seven"), ("late", "seven")])
    for seconds, message_id in ((KEPT_SECONDS / 2, "early"), (KEPT_SECONDS, "late")):
        stream = stream.advance_processing_time(int(seconds))
        stream = stream.add_elements([answered(message_id, "seven", Tried(NUMBER, "new", None))])
    with TestPipeline(options=PipelineOptions(["--streaming"])) as pipeline:
        both = pipeline | stream.advance_watermark_to_infinity()
        answers = both | "answers" >> beam.Filter(lambda each: isinstance(each, PredictionResult))
        labels = both | "labels" >> beam.Filter(lambda each: not isinstance(each, PredictionResult))
        _ = (answers, labels) | NoteLabels(config, SideInputMode.TRIGGERED, run)

    assert run.here.meter.tally()[metrics.FEEDBACK_NOTED] == 1


@MODES
def test_what_is_answered_to_a_replay_is_labelled_by_either_id(
    serving: tuple[JobRun, ServingConfig, Serving], mode: SideInputMode
) -> None:
    run, config, here = serving
    begin(here, "canary")
    replays = []
    for number in ("1", "2"):
        request = ImageRequest("image.png", Origin(f"replay of {number}", "", {REPLAY_OF: number}))
        replays.append(answered(number, "seven", Tried(NUMBER, "new", None)))
        replays[-1] = PredictionResult(request, replays[-1].inference, "id")

    joined(run, config, mode, replays, [("1", "seven"), ("replay of 2", "seven")])

    assert run.here.meter.tally()[metrics.FEEDBACK_NOTED] == 2


@MODES
def test_an_image_that_an_earlier_trial_answered_is_labelled_in_the_next_one_too(
    serving: tuple[JobRun, ServingConfig, Serving], mode: SideInputMode
) -> None:
    run, config, here = serving
    begin(here, "canary")
    answers = [answered("1", "seven", Tried(number, "new", None)) for number in (NUMBER - 1, NUMBER)]

    joined(run, config, mode, answers, [("1", "seven")])

    assert run.here.meter.tally()[metrics.FEEDBACK_NOTED] == 1


@MODES
def test_labels_that_met_before_the_process_knew_of_the_trial_are_noted_with_the_next_one(
    serving: tuple[JobRun, ServingConfig, Serving], mode: SideInputMode
) -> None:
    run, config, here = serving
    joined(run, config, mode, [answered("1", "seven", Tried(NUMBER, "new", None))], [("1", "seven")])
    assert run.here.meter.tally()[metrics.FEEDBACK_NOTED] == 0
    begin(here, "canary")
    joined(run, config, mode, [answered("2", "seven", Tried(NUMBER, "new", None))], [("2", "seven")])
    assert run.here.meter.tally()[metrics.FEEDBACK_NOTED] == 2


def test_no_label_waits_where_a_model_answers_and_none_is_tried(tmp_path: Path) -> None:
    tiny_classifier(tmp_path / "m.onnx", favours=1)
    run = JobRun("nothing is tried")
    config = ServingConfig(f"{tmp_path}/*.onnx", cache_folder=str(tmp_path / "cache"), poll_seconds=0.1, alone=False)
    try:
        joined(run, config, SideInputMode.WINDOWED, [], [("1", "seven")])
        assert len(run.here.labels) == 1  # what is tried is not known yet
        assert run.here.serving(config).await_model()
        joined(run, config, SideInputMode.WINDOWED, [], [("2", "seven")])
        assert len(run.here.labels) == 1
    finally:
        run.here.end()


def test_labels_add_their_own_steps_and_state_to_the_job_and_change_none() -> None:
    without, with_labels = graph_of_this_code(), graph_of_this_code(FEEDBACK)

    [(step, state)] = [kept for kept in with_labels["state"].items() if kept not in without["state"].items()]
    assert step.startswith("NoteLabels/Join")
    assert state["inputs"] == ["TupleCoder[StrUtf8Coder, FastPrimitivesCoder]"]
    added = set(with_labels["steps"]) - set(without["steps"])
    assert set(without["steps"]) <= set(with_labels["steps"])
    assert {each.partition("/")[0] for each in added} == {"ReadFeedback", "ParseFeedback", "NoteLabels"}


@MODES
def test_labels_of_a_shadow_are_noted_for_both_models(
    serving: tuple[JobRun, ServingConfig, Serving], mode: SideInputMode
) -> None:
    run, config, here = serving
    trial = begin(here, "shadow")
    answers = [answered("1", "seven", Tried(NUMBER, "old", Gist("one", 0.5)))]

    joined(run, config, mode, answers, [("1", "one")])

    with here.gathering.noting(trial) as evidence:
        assert sum(evidence.paired.labelled) == 1
        assert evidence.old.labelled == evidence.new.labelled


@MODES
def test_an_image_without_an_answer_has_no_label_to_meet(
    serving: tuple[JobRun, ServingConfig, Serving], mode: SideInputMode
) -> None:
    run, config, here = serving
    begin(here, "canary")
    failed = Answer(ImageError(ImageFault.PREDICTION_FAILED, "x"), "a model", "", Tried(NUMBER, "new", None))
    request = ImageRequest("1.png", Origin("1", "", {}))

    joined(run, config, mode, [PredictionResult(request, failed, "id")], [("1", "seven")])

    assert run.here.meter.tally()[metrics.FEEDBACK_NOTED] == 0
