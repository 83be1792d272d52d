"""The job's command line is checked before anything runs, and told in one line where it is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import DebugOptions, StandardOptions

from beam_pipeline.options import OptionError, parse_options
from models.trials.policy import Policy, Step
from models.trials.terms import NO_TRIALS, Limits, TrialTerms
from tests.models.signatures.makers import Maker
from transforms.windowing import SideInputMode

GOOD = ["--input_subscription=projects/my-project/subscriptions/sub", "--model_pattern=m/*.h5", "--output_path=out"]


def refusal(*argv: str) -> str:
    with pytest.raises(OptionError) as caught:
        parse_options([*GOOD, *argv])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_not_said_has_the_contracts_defaults() -> None:
    _, job, mode = parse_options(GOOD)

    assert (job.model_poll_seconds, job.engine, job.image_prefix) == (30.0, "auto", ())
    assert mode is SideInputMode.WINDOWED


def test_an_unknown_option_is_named_and_the_nearest_known_one_told() -> None:
    assert refusal("--model_patern=x") == "unknown option --model_patern; did you mean --model_pattern?"


def test_a_beam_option_that_beam_would_drop_silently_is_refused() -> None:
    assert "--no_use_public_ip" in refusal("--no_use_public_ip")


def test_a_trusted_key_is_read_and_one_that_is_none_is_named(tmp_path: Path) -> None:
    alice = Maker(tmp_path, "alice")
    _, job, _ = parse_options([*GOOD, f"--trusted_key={alice.public}", f"--trusted_key={alice.public}"])
    assert job.serving.trusted_keys == (alice.public.read_text(),) * 2
    assert refusal(f"--trusted_key={alice.private}").startswith(f"--trusted_key: {alice.private} is a private key")
    assert refusal("--trusted_key=gs://b").startswith("--trusted_key: ")


def test_an_abbreviated_option_is_refused() -> None:
    assert "--model_poll" in refusal("--model_poll=3")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "--input_subscription=projects/my-project/subscriptions/sub",
            "--input_topic=projects/my-project/topics/topic",
        ),
        ("--output_path=out", "--output_topic=projects/my-project/topics/topic"),
        ("--dead_letter_path=d", "--dead_letter_topic=projects/my-project/topics/topic"),
        ("--model_events_path=e", "--model_events_topic=projects/my-project/topics/topic"),
    ],
)
def test_options_that_exclude_each_other_are_refused_together(one: str, other: str) -> None:
    message = refusal(one, other)

    assert one.partition("=")[0] in message
    assert other.partition("=")[0] in message


@pytest.mark.parametrize(
    "bad",
    [
        "--engine=torch",
        "--max_batch_size=0",
        "--max_batch_size=many",
        "--max_batch_wait_ms=-1",
        "--model_poll_seconds=0",
        "--model_poll_seconds=nan",
        "--max_image_bytes=0",
        "--max_image_pixels=999999999999",
        "--dead_letter_topic=my-topic",
        "--input_subscription=projects/my-project/topics/t",
        "--trial=canary",
        "--trial=canary:5%",
        "--trial=canary:5%/10,2%/10",
        "--trial=shadow:0%/10",
        "--trial=shadow:5%/10,25%/10",
        "--trial_undecided=wait",
        "--trial_max_failures=0.1",
        "--trial_max_failures=101%",
        "--trial_max_slowdown=0",
        "--trial_min_agreement=most",
        "--trial_max_drift=nan",
        "--trial_max_accuracy_loss=-1%",
        "--feedback_subscription=feedback",
        "--feedback_subscription=projects/my-project/subscriptions/sub",
    ],
)
def test_a_malformed_value_is_refused_by_the_options_name(bad: str) -> None:
    assert bad.partition("=")[0] in refusal(bad)


def test_new_models_are_not_tried_unless_that_is_asked_for() -> None:
    _, job, _ = parse_options(GOOD)
    assert job.serving.trials == NO_TRIALS


def test_the_terms_of_trials_travel_with_what_is_served() -> None:
    labels = "--feedback_subscription=projects/my-project/subscriptions/labels"
    limits = ["--trial_max_failures=0.2%", "--trial_max_slowdown=2", "--trial_min_agreement=90%"]
    limits += ["--trial_max_drift=0.1", "--trial_max_accuracy_loss=1%"]
    _, job, _ = parse_options([*GOOD, "--trial=shadow:10%/0.5", "--trial_undecided=promote", labels, *limits])

    policy = Policy("shadow", (Step(0.1, 0.5),))
    assert job.serving.trials == TrialTerms(policy, Limits(0.002, 2.0, 0.9, 0.1, 0.01), "promote", needs_labels=True)


@pytest.mark.parametrize("missing", range(3))
def test_a_missing_option_is_named(missing: int) -> None:
    argv = [option for number, option in enumerate(GOOD) if number != missing]
    with pytest.raises(OptionError, match=GOOD[missing].partition("=")[0]):
        parse_options(argv)


def test_runners_with_triggered_side_inputs_get_the_experiment_without_which_swaps_are_missed() -> None:
    options, _, mode = parse_options([*GOOD, "--runner=DataflowRunner"])

    assert mode is SideInputMode.TRIGGERED
    assert "disable_global_windowed_args_caching" in options.view_as(DebugOptions).experiments
    assert options.view_as(StandardOptions).streaming


def test_workers_that_could_install_nothing_are_refused_where_there_are_any() -> None:
    private, image = "--no_use_public_ips", "--sdk_container_image=europe-docker.pkg.dev/p/r/hotswap:1"
    refused = refusal("--runner=DataflowRunner", private)
    assert refused.startswith("--no_use_public_ips needs --sdk_container_image: ")
    for enough in ([image], ["--prebuild_sdk_container_engine=cloud_build"]):
        parse_options([*GOOD, "--runner=DataflowRunner", private, *enough])
    parse_options([*GOOD, "--runner=DirectRunner", private])


@pytest.mark.parametrize("runner", ["FlinkRunner", "flink"])
def test_a_runner_that_is_not_supported_is_refused(runner: str) -> None:
    assert refusal(f"--runner={runner}").startswith(f"--runner={runner} is not supported")


@pytest.mark.parametrize(
    ("options", "registry"),
    [
        (["--runner=DataflowRunner", "--temp_location=gs://b/temp/x"], "gs://b/hotswap/registry"),
        (["--runner=DataflowRunner", "--temp_location=gs://b/temp", "--registry=gs://r/own"], "gs://r/own"),
        (["--runner=DataflowRunner"], None),
        (["--runner=DirectRunner", "--temp_location=gs://b/temp"], None),
        (["--runner=DirectRunner", "--registry=/kept/here"], "/kept/here"),
    ],
)
def test_a_fleet_has_a_registry_in_the_bucket_of_its_job(options: list[str], registry: str | None) -> None:
    _, job, _ = parse_options([*GOOD, *options])
    assert job.registry == registry


@pytest.mark.parametrize("registry", ["s3://b/registry", "gs://b", "gs://b/"])
def test_a_place_that_can_hold_no_registry_is_refused(registry: str) -> None:
    assert refusal(f"--registry={registry}").startswith(f"--registry is '{registry}'")


def test_the_program_ends_with_code_2_and_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "beam_pipeline", *GOOD, "--nonsense=1"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1] == "error: unknown option --nonsense"
    assert len(done.stderr.strip().splitlines()) == 1
