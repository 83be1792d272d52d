"""Each option is written once, and means the same wherever it is given."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from beam_pipeline.option_table import OPTIONS, JobOptions, as_flags
from beam_pipeline.options import parse_options
from launch.cli import app
from launch.command_line import run
from launch.dataflow.flex_template import metadata
from launch.local.job_options import CALLED, TAKEN_OVER

A_KEY = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEsbFbJQgErr74GP4x2/mCQn3VU39O
AE8u5rcX9rWof4aPVd+LTDoF24nK80NlqkHX+cDxmPzWhLmsL9p0bdJSsA==
-----END PUBLIC KEY-----
"""
TOPIC = "projects/my-project/topics/a-topic"
PLAIN = JobOptions(
    input_subscription="projects/my-project/subscriptions/sub", model_pattern="m/*.h5", output_path="gs://b/out"
)
FULL = JobOptions(
    input_topic=TOPIC,
    model_pattern="gs://b/*.h5",
    model_poll_seconds=2.5,
    output_topic=TOPIC,
    mask_path="gs://b/masks",
    dead_letter_path="gs://b/dead",
    model_events_path="gs://b/events",
    image_prefix=("gs://b/one", "gs://b/two words"),
    engine="onnx",
    max_batch_size=7,
    max_batch_wait_ms=9,
    max_values=10,
    max_image_bytes=11,
    max_image_pixels=13,
    exact_decode=True,
    require_confinement=True,
    trusted_key=(A_KEY,),
    model_cache="/cache",
    registry="gs://b/registry",
    trial="canary:5%/10,25%/10",
    trial_undecided="promote",
    trial_max_failures="0.2%",
    trial_max_slowdown=1.25,
    trial_min_agreement="90%",
    trial_max_drift=0.5,
    trial_max_accuracy_loss="1%",
    feedback_subscription="projects/my-project/subscriptions/feedback",
)
VETTING = {"engine", "max_batch_size", "max_values", "require_confinement"}
READING = VETTING | {"trusted_key"}
TRIALS = {name for name in OPTIONS if name.startswith("trial")}
TOPICS = dataclasses.replace(PLAIN, dead_letter_topic=TOPIC, model_events_topic=TOPIC)


@pytest.mark.parametrize("job", [PLAIN, FULL, TOPICS], ids=["plain", "full", "topics"])
def test_options_written_as_flags_are_read_as_they_were(job: JobOptions, tmp_path: Path) -> None:
    file = tmp_path / "key.pub"
    file.write_text("".join(job.trusted_key))
    files = (str(file),) if job.trusted_key else ()
    _, read, _ = parse_options(as_flags(dataclasses.asdict(job) | {"trusted_key": files}))

    assert read == job


def test_between_them_these_options_differ_from_every_default() -> None:
    given = {name for job in (FULL, TOPICS) for name in OPTIONS if getattr(job, name) != OPTIONS[name].default}
    assert given == set(OPTIONS)


def test_the_parameters_of_the_template_are_written_down_as_they_are_made() -> None:
    assert json.loads(metadata.WRITTEN.read_text()) == metadata.metadata()


def test_a_flag_says_that_it_repeats_and_a_parameter_what_separates_its_values() -> None:
    [parameter] = [each for each in metadata.metadata()["parameters"] if each["name"] == "image_prefix"]

    assert OPTIONS["image_prefix"].help == "only images below one of these are read; repeatable"
    assert parameter["helpText"] == "Only images below one of these are read; several are separated by ;"


@pytest.mark.parametrize(
    ("verb", "flags"),
    [
        ("dataflow", set(OPTIONS)),
        ("local", {CALLED.get(name, name) for name in TAKEN_OVER} | TRIALS),
        ("serve", TRIALS - {"trial_max_accuracy_loss"}),
        ("publish", VETTING),
        *((verb, READING) for verb in ("vet", "models", "rollback")),
    ],
)
def test_a_verb_offers_every_option_that_it_takes_over(
    verb: str, flags: set[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")

    assert run(app, [verb, "--help"]) == 0
    words = capsys.readouterr().out.split()
    assert {f"--{flag.replace('_', '-')}" for flag in flags} - set(words) == set()
