"""No flag that is wrong gets as far as Dataflow."""

from __future__ import annotations

import google.auth
import pytest
from google.auth.exceptions import DefaultCredentialsError

from launch.cli import app
from launch.code_version import labels
from launch.command_line import run
from launch.dataflow import resource_names
from models.version import VERSION

RIGHT = {
    "--project": "my-project",
    "--region": "europe-west1",
    "--bucket": "my-bucket",
    "--model-pattern": "gs://my-bucket/models/*.h5",
    "--input-subscription": "projects/my-project/subscriptions/images",
    "--output-topic": "projects/my-project/topics/results",
}
IMAGE = "--image=europe-docker.pkg.dev/my-project/jobs/hotswap:0.1.0"


@pytest.fixture(autouse=True)
def no_google(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_found(**_: object) -> None:
        raise DefaultCredentialsError("none")

    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setattr(google.auth, "default", none_found)


def dry_run(*more: str, **changed: str | None) -> int:
    flags = RIGHT | {f"--{name.replace('_', '-')}": value for name, value in changed.items()}
    return run(app, ["dataflow", *(f"{flag}={value}" for flag, value in flags.items() if value), *more, "--dry-run"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("project", "My Project"),
        ("project", "123456789012"),
        ("region", "europe"),
        ("region", "europe-west1-b"),
        ("bucket", "my_bucket/folder"),
        ("bucket", "googly"),
        ("job_name", "Images"),
        ("job_name", "images-"),
        ("machine_type", "n2 standard"),
        ("service_account", "me@example.com"),
        ("network", "Default"),
        ("subnetwork", "workers"),
        ("subnetwork", "regions/us-central1/subnetworks/workers"),
        ("num_workers", "0"),
        ("num_workers", "11"),
        ("max_workers", "many"),
        ("disk_size_gb", "5"),
        ("label", "Team=vision"),
        ("label", "team"),
        ("label", "hotswap-version=9"),
        ("image", "europe-docker.pkg.dev/my-project/jobs/hotswap"),
        ("gpu", "nvidia-l4"),
        ("processes", "two"),
        ("transform_name_mapping", "{}"),
        ("model_pattern", "/models/*.h5"),
        ("model_poll_seconds", "0"),
        ("input_subscription", "projects/my-project/topics/images"),
        ("input_subscription", "projects/p-1/subscriptions/images"),
        ("input_topic", "projects/my-project/topics/images"),
        ("output_topic", "results"),
        ("dead_letter_path", "dead/letters"),
        ("image_prefix", "/images/"),
        ("registry", "/tmp/registry"),
        ("registry", "s3://bucket/registry"),
        ("engine", "torch"),
        ("max_batch_size", "0"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_its_flag(
    name: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dry_run(**{name: value}) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert name in line.replace("-", "_")


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        ("--no_use_public_ip", "did you mean --no_use_public_ips?"),
        ("--modle-pattern=gs://b/*", "did you mean --model_pattern?"),
        ("--colour", "unknown option --colour"),
        ("--runner=DirectRunner", "--runner is set by the launch"),
        ("--setup_file=setup.py", "--setup_file is set by the launch"),
        ("--sdk_container_image=x", "give --image"),
        ("--update", "--update needs --job-name"),
        ("--experiments=use_multiple_sdk_containers", "give --processes"),
        ("stray", "stray"),
    ],
)
def test_an_option_that_is_unknown_or_not_to_be_given_is_refused(
    flag: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dry_run(flag) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert says in line


@pytest.mark.parametrize("missing", [*RIGHT])
def test_what_is_missing_is_named(missing: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert dry_run(**{missing.removeprefix("--").replace("-", "_"): None}) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert missing.removeprefix("--").replace("-", "_") in line.replace("-", "_")


@pytest.mark.parametrize(
    "more",
    [
        [IMAGE, "--no_use_public_ips"],
        ["--number_of_worker_harness_threads=4"],
        [IMAGE, "--gpu=nvidia-tesla-t4:2", "--machine-type=n1-standard-8"],
        [IMAGE, "--subnetwork=regions/europe-west1/subnetworks/workers", "--no-public-ips"],
        ["--service-account=123456789012-compute@developer.gserviceaccount.com"],
        ["--model_poll_seconds=5", "--max_batch_size=8"],
        ["--update", "--job-name=images", '--transform-name-mapping={"Old": "New"}'],
    ],
    ids=lambda more: more[-1],
)
def test_what_is_right_is_taken_in_either_spelling(more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert dry_run(*more) == 0
    plan = capsys.readouterr().out
    for option in more:
        if "_" in option.partition("=")[0]:
            assert option.removeprefix("--").partition("=")[0] in plan


@pytest.mark.parametrize("private", ["--no-public-ips", "--no_use_public_ips"])
def test_workers_that_could_install_nothing_are_refused(private: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert dry_run(private) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {private} needs --image: ")


def test_a_gpu_goes_with_its_machines_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert dry_run(IMAGE, "--gpu=nvidia-l4", "--machine-type=n1-standard-4") == 2
    assert "g2-" in capsys.readouterr().err


def test_a_gpu_is_one_processs_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert dry_run(IMAGE, "--gpu=nvidia-l4", "--machine-type=g2-standard-4", "--processes=all") == 2
    assert "--processes one" in capsys.readouterr().err


def test_nothing_is_submitted_without_credentials(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, ["dataflow", *(f"{flag}={value}" for flag, value in RIGHT.items())]) == 2
    assert "gcloud auth application-default login" in capsys.readouterr().err


def test_the_version_of_the_code_is_a_label() -> None:
    described = labels()
    assert described["hotswap-version"] == VERSION.replace(".", "-")
    assert all(resource_names.fits(resource_names.LABEL_VALUE, value) for value in described.values())
    assert all(resource_names.fits(resource_names.LABEL_KEY, key) for key in described)


@pytest.mark.parametrize(
    ("location", "region", "chosen", "inside"),
    [
        ("EUROPE-WEST1", "europe-west1", (), True),
        ("EUROPE-WEST1", "europe-west4", (), False),
        ("EU", "europe-west4", (), True),
        ("EU", "us-central1", (), False),
        ("US", "us-east5", (), True),
        ("NAM4", "us-east1", (), True),
        ("NAM4", "us-west1", (), False),
        ("US", "us-west1", ("US-WEST1", "US-CENTRAL1"), True),
    ],
)
def test_a_bucket_is_near_when_its_data_is(location: str, region: str, chosen: tuple[str, ...], inside: bool) -> None:
    assert resource_names.is_in_region(location, region, chosen) is inside
