"""The Flex Template says what the job takes, no more and no less; and the container has what both need."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import DebugOptions
from apache_beam.version import __version__ as beam_version
from google.cloud.dataflow_v1beta3.types import ParameterType, TemplateMetadata

from beam_pipeline.option_table import OPTIONS
from beam_pipeline.options import HotSwapOptions, OptionError, parse_options
from beam_pipeline.pipeline import build
from beam_pipeline.source import pubsub_source
from launch.dataflow import resource_names
from launch.dataflow.flex_template import __main__ as flex_template
from launch.dataflow.worker_processes import MANY_PROCESSES, ONE_PROCESS, THREADS
from models.trials.policy import Policy, Step

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "launch/dataflow/container/Dockerfile").read_text()
METADATA = json.loads((ROOT / "launch/dataflow/flex_template/metadata.json").read_text())
PARAMETERS: dict[str, dict[str, Any]] = {parameter["name"]: parameter for parameter in METADATA["parameters"]}
OF_THE_WORKERS = {"sdk_container_image", "processes"}

TOPIC, SUBSCRIPTION, FOLDER = (
    "projects/my-project/topics/out",
    "projects/my-project/subscriptions/images",
    "gs://b/results",
)
SAMPLES = {
    "subscription": [
        SUBSCRIPTION,
        TOPIC,
        "in",
        "projects/my-project/subscriptions/1n",
        "projects/my-project/subscriptions/ab",
        "",
    ],
    "feedback": ["projects/my-project/subscriptions/feedback", TOPIC, "feedback"],
    "topic": [
        TOPIC,
        SUBSCRIPTION,
        "projects/my-project/topics/",
        "projects/a b c d e f/topics/out",
        "projects/my-project/topics/o.u~t+%-_",
    ],
    "number": ["1", "32", "0", "-1", "1.5", "many", "007"],
    "seconds": ["30.0", "1", "0.25", ".5", "0", "0.0", "-1", "nan", "inf", "soon"],
    "flag": ["true", "false"],
    "trial": [
        "none",
        "shadow:10%/0.5",
        "canary:5%/10",
        "canary:5%/10,25%/10",
        "canary:5%/10;25%/10",
        "canary",
        "5%/10",
        "shadow:10/5",
        "canary:5%/10,",
        "canary:5%/10 25%/10",
        "canary:٥%/10",
    ],
    "undecided": ["roll_back", "promote", "wait"],
    "share": ["0.1%", "0%", "100%", "007%", "100.5%", "101%", "0.1", "-1%", "%", "٥%"],
    "factor": ["1.5", "2", ".25", "0", "0.0", "-1", "nan", "inf", "1.5x"],
    "engine": ["auto", "tensorflow", "onnx", "torch", "AUTO"],
}
KINDS = {
    "input_subscription": "subscription",
    "input_topic": "topic",
    "output_topic": "topic",
    "dead_letter_topic": "topic",
    "model_events_topic": "topic",
    "model_poll_seconds": "seconds",
    "max_batch_size": "number",
    "max_batch_wait_ms": "number",
    "max_values": "number",
    "max_image_bytes": "number",
    "max_image_pixels": "number",
    "engine": "engine",
    "exact_decode": "flag",
    "require_confinement": "flag",
    "trial": "trial",
    "trial_undecided": "undecided",
    "trial_max_failures": "share",
    "trial_max_slowdown": "factor",
    "trial_min_agreement": "share",
    "trial_max_drift": "factor",
    "trial_max_accuracy_loss": "share",
    "feedback_subscription": "feedback",
}


def defaults_of_the_job() -> dict[str, Any]:
    return dict(HotSwapOptions([]).get_all_options(current_only=True))


def template_takes(name: str, value: str) -> bool:
    parameter = PARAMETERS[name]
    if "enumOptions" in parameter:
        return value in [option["value"] for option in parameter["enumOptions"]]
    return all(re.search(regex, value, re.ASCII) for regex in parameter["regexes"])


def job_takes(name: str, value: str) -> bool:
    given = {"input_subscription": SUBSCRIPTION, "output_path": FOLDER, "model_pattern": "gs://b/*.h5", name: value}
    if name == "input_topic":
        del given["input_subscription"]
    if name == "output_topic":
        del given["output_path"]
    arguments = [f"--{key}={text}" for key, text in given.items()]
    try:
        _, job, mode = parse_options(["--runner=DataflowRunner", *flex_template.job_options(arguments)])
        build(beam.Pipeline(), pubsub_source(job), job, mode)
    except (OptionError, ValueError):  # Beam's own names for Pub/Sub are narrower
        return False
    return True


def test_google_takes_the_metadata() -> None:
    metadata = TemplateMetadata.from_json(json.dumps(METADATA))
    assert [parameter.name for parameter in metadata.parameters] == list(PARAMETERS)
    assert all(parameter.help_text and parameter.label for parameter in metadata.parameters)
    assert all(ParameterType[parameter["paramType"]] for parameter in PARAMETERS.values())


def test_every_option_of_the_job_is_a_parameter_and_every_parameter_an_option() -> None:
    assert set(PARAMETERS) - OF_THE_WORKERS == set(defaults_of_the_job())


def test_defaults_and_choices_are_those_of_the_job() -> None:
    for name, default in defaults_of_the_job().items():
        default = None if default is False else default
        told = PARAMETERS[name].get("defaultValue")
        assert (None if told == "false" else told) == (None if default is None else str(default)), name
    for option in OPTIONS.values():
        if option.choices:
            assert [choice["value"] for choice in PARAMETERS[option.name]["enumOptions"]] == list(option.choices)


def test_what_is_required_is_what_no_other_parameter_can_replace() -> None:
    assert [name for name, parameter in PARAMETERS.items() if not parameter["isOptional"]] == ["model_pattern"]


@pytest.mark.parametrize("name", [name for name in PARAMETERS if name in KINDS])
def test_a_pattern_accepts_what_the_job_accepts(name: str) -> None:
    for value in SAMPLES[KINDS[name]]:
        if value:  # a parameter that is left empty is not passed on
            assert template_takes(name, value) == job_takes(name, value), f"{name}={value}"


@pytest.mark.parametrize("name", [name for name in PARAMETERS if name not in KINDS and name not in OF_THE_WORKERS])
def test_paths_are_those_that_workers_reach(name: str) -> None:
    remote = name != "model_cache"
    assert template_takes(name, "gs://bucket/folder/*.h5") == remote
    assert template_takes(name, "/tmp/models/*.h5") != remote
    assert not template_takes(name, "")


def test_the_image_must_be_pinned() -> None:
    assert PARAMETERS["sdk_container_image"]["regexes"] == [f"^{resource_names.IMAGE}$"]
    assert template_takes("sdk_container_image", "europe-docker.pkg.dev/p/r/hotswap:0.1.0")
    assert not template_takes("sdk_container_image", "europe-docker.pkg.dev/p/r/hotswap")


def test_parameters_become_options() -> None:
    options = list(
        flex_template.job_options(
            ["--exact_decode=true", "--image_prefix=gs://a/;gs://b/", "--output_topic=", "--sdk_container_image=r/i:1"]
        )
    )
    assert options[2:6] == [
        "--exact_decode",
        "--image_prefix=gs://a/",
        "--image_prefix=gs://b/",
        "--sdk_container_image=r/i:1",
    ]
    assert not any(option.startswith(("--setup_file", "--output_topic")) for option in options)
    assert any(option.startswith("--labels=hotswap-version=") for option in options)


def test_without_an_image_the_workers_install_the_code() -> None:
    assert f"--setup_file={ROOT / 'setup.py'}" in list(flex_template.job_options(["--exact_decode=false"]))


def test_a_trial_of_several_steps_travels_as_a_parameter_with_either_separator() -> None:
    given = [f"--input_subscription={SUBSCRIPTION}", f"--output_path={FOLDER}", "--model_pattern=gs://b/*.h5"]
    read = []
    for trial in ("canary:5%/10,25%/10", "canary:5%/10;25%/10"):
        argv = ["--runner=DataflowRunner", *flex_template.job_options([*given, f"--trial={trial}"])]
        _, job, _ = parse_options(argv)
        read.append(job.serving.trials.policy)
    assert read[0] == read[1] == Policy("canary", (Step(0.05, 10.0), Step(0.25, 10.0)))


def experiments_of(*parameters: str) -> tuple[set[str], int | None]:
    """Those that Beam gets, and in how many threads a process works."""
    given = [f"--input_subscription={SUBSCRIPTION}", f"--output_path={FOLDER}", "--model_pattern=gs://b/*.h5"]
    options, _, _ = parse_options(
        ["--runner=DataflowRunner", *flex_template.job_options([*given, "--sdk_container_image=r/i:1", *parameters])]
    )
    debug = options.view_as(DebugOptions)
    return set(debug.experiments), debug.number_of_worker_harness_threads


def test_workers_run_one_process_unless_another_number_is_asked_for() -> None:
    one, threads = experiments_of()
    assert ONE_PROCESS in one
    assert threads == THREADS
    assert experiments_of("--processes=one") == experiments_of("--processes=") == (one, threads)
    assert experiments_of("--number_of_worker_harness_threads=3") == (one, 3)

    for asked in ("--processes=all", f"--experiments={MANY_PROCESSES}"):
        several, threads = experiments_of(asked)
        assert ONE_PROCESS not in several
        assert threads is None


def test_another_number_of_processes_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert not template_takes("processes", "two")
    assert flex_template.launch(["--processes=two"]) == 2
    assert capsys.readouterr().err == "error: --processes is 'two'; one or all is expected\n"


def test_all_that_the_container_copies_is_in_the_repository_and_nothing_else_is_sent_to_docker() -> None:
    copied = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if re.match(r"COPY (?!--from)", line)]
    sources = {source for sources in copied for source in sources}
    assert sources >= {
        "requirements.txt",
        "setup.py",
        "models",
        "transforms",
        "databases",
        "fleet",
        "beam_pipeline",
        "launch",
    }
    assert [source for source in sources if not (ROOT / source).exists()] == []
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert ignored[0] == "*"
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == sources


def test_the_container_runs_the_versions_that_are_pinned() -> None:
    pins = dict(re.findall(r"^([a-z0-9-]+)(?:\[[a-z]+\])?==(\S+)", (ROOT / "requirements.txt").read_text(), re.M))
    assert pins["apache-beam"] == beam_version
    assert f"FROM apache/beam_python3.11_sdk:{beam_version} AS beam" in DOCKERFILE
    installed = dict(re.findall(r"([a-z-]+)(?:\[[a-z-]+\])?==([0-9.]+)", DOCKERFILE))
    assert installed == {"tensorflow": pins["tensorflow"], "onnxruntime-gpu": pins["onnxruntime"]}


def test_every_base_image_is_a_release_that_its_name_tells() -> None:
    # A stage, or a build argument that names one, is no image.
    files = [
        path
        for path in ROOT.rglob("*Dockerfile*")
        if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    ]
    assert ROOT / "launch/dataflow/container/Dockerfile" in files
    for text in (file.read_text() for file in files):
        stages = set(re.findall(r"^FROM .+ AS (\S+)$", text, re.M | re.I))
        images = [name for name in re.findall(r"^FROM (\S+)", _as_built(text), re.M | re.I) if name not in stages]
        assert [name for name in images if not is_pinned(name)] == []


def _as_built(dockerfile: str) -> str:
    """With the defaults of its build arguments in place."""
    for name, default in re.findall(r"^ARG ([A-Z_]+)=(\S+)", dockerfile, re.M):
        dockerfile = dockerfile.replace(f"${{{name}}}", default)
    return dockerfile


def is_pinned(image: str) -> bool:
    """Whether it has a digest, or a tag that names a whole release and not a series or the newest."""
    _, at, _ = image.partition("@sha256:")
    _, colon, tag = image.rpartition("/")[2].partition(":")
    return bool(at) or (bool(colon) and re.match(r"\d+\.\d+\.\d+|\d{8}", tag) is not None)


@pytest.mark.parametrize("image", ["a/b", "a/b:latest", "python:3.11-slim-bookworm", "host:5000/b"])
def test_an_image_without_a_release_is_told_from_one_with(image: str) -> None:
    assert not is_pinned(image)
    assert is_pinned("python:3.11.14-slim-bookworm")
    assert is_pinned("a/b@sha256:" + "0" * 64)


def test_the_container_starts_the_worker_and_knows_the_template() -> None:
    [entry] = re.findall(r"^ENTRYPOINT (.+)$", DOCKERFILE, re.M)
    assert json.loads(entry) == ["/opt/apache/beam/boot"]
    [main] = re.findall(r"FLEX_TEMPLATE_PYTHON_PY_FILE=/template/(\S+)", DOCKERFILE)
    assert Path(flex_template.__file__) == ROOT / main
