"""What Dataflow would be sent: the real runner submits to a stand-in, and stages in an emulated bucket."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from apache_beam.portability.api import beam_runner_api_pb2
from google.cloud import storage

from beam_pipeline.options import EXPERIMENTS_FOR_SIDE_INPUTS
from launch.cli import app
from launch.code_version import labels
from launch.command_line import run
from launch.dataflow import submission
from launch.dataflow.worker_processes import MANY_PROCESSES, ONE_PROCESS, THREADS
from tests.launch.dataflow.dataflow_service import DataflowService, dataflow_service
from tests.launch.dataflow.job_graph import ADVICE, WRITTEN, described, graph_of_this_code
from tests.launch.storage_server import BUCKET, storage_server

IMAGE = "europe-docker.pkg.dev/my-project/jobs/hotswap:0.1.0"
FLAGS = [
    "--project=my-project",
    "--region=us-central1",
    f"--bucket={BUCKET}",
    f"--model-pattern=gs://{BUCKET}/models/*.h5",
    "--input-subscription=projects/my-project/subscriptions/images",
    "--output-path=gs://results/out",
    "--dead-letter-topic=projects/my-project/topics/dead-letters",
    "--model-events-topic=projects/my-project/topics/events",
    f"--image-prefix=gs://{BUCKET}/images/",
]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[DataflowService]:
    with storage_server() as bucket, dataflow_service() as service:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", bucket.address)
        monkeypatch.setattr(submission, "LOOK_SECONDS", 0.01)
        yield service


def submit(service: DataflowService, *flags: str) -> int:
    return run(app, ["dataflow", *FLAGS, *flags, f"--dataflow_endpoint={service.endpoint}", "--no_auth"])


def submitted(service: DataflowService, *flags: str) -> dict[str, Any]:
    """The one job that the service received."""
    assert submit(service, *flags) == 0
    [job] = service.received
    return job


def staged(uri: str) -> bytes:
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    return bytes(storage.Client.create_anonymous_client().bucket(bucket).blob(name).download_as_bytes())


def pipeline_of(job: dict[str, Any]) -> beam_runner_api_pb2.Pipeline:
    return beam_runner_api_pb2.Pipeline.FromString(staged(options_of(job)["pipelineUrl"]))


def options_of(job: dict[str, Any]) -> dict[str, Any]:
    return dict(job["environment"]["sdkPipelineOptions"]["options"])


def test_a_job_goes_where_the_flags_say_and_carries_what_the_graph_needs(
    service: DataflowService, capsys: pytest.CaptureFixture[str]
) -> None:
    job = submitted(service, f"--image={IMAGE}", "--job-name=images-1", "--label=team=vision", "--no-public-ips")

    assert job["sent to"] == ("my-project", "us-central1")
    assert job["name"] == "images-1"
    assert job["type"] in (2, "JOB_TYPE_STREAMING")
    assert job["labels"] == labels() | {"team": "vision"}
    experiments = set(job["environment"]["experiments"])
    assert experiments >= {*EXPERIMENTS_FOR_SIDE_INPUTS, "use_runner_v2", "enable_streaming_engine"}
    assert options_of(job)["model_pattern"] == f"gs://{BUCKET}/models/*.h5"
    assert options_of(job)["image_prefix"] == [f"gs://{BUCKET}/images/"]
    out = capsys.readouterr().out
    assert "https://console.cloud.google.com/dataflow/jobs/us-central1/job-1?project=my-project" in out.splitlines()


def test_the_workers_are_what_the_flags_say(service: DataflowService) -> None:
    job = submitted(
        service,
        f"--image={IMAGE}",
        "--gpu=nvidia-l4:1",
        "--machine-type=g2-standard-8",
        "--num-workers=2",
        "--max-workers=5",
        "--disk-size-gb=100",
        "--no-public-ips",
        "--service-account=worker@my-project.iam.gserviceaccount.com",
        "--subnetwork=regions/us-central1/subnetworks/workers",
        "--at-least-once",
    )

    [pool] = job["environment"]["workerPools"]
    assert (pool["machineType"], pool["numWorkers"], pool["diskSizeGb"]) == ("g2-standard-8", 2, 100)
    assert pool["autoscalingSettings"]["maxNumWorkers"] == 5
    assert pool["ipConfiguration"] in (2, "WORKER_IP_PRIVATE")
    assert pool["subnetwork"] == "regions/us-central1/subnetworks/workers"
    assert pool["workerHarnessContainerImage"] == IMAGE
    assert job["environment"]["serviceAccountEmail"] == "worker@my-project.iam.gserviceaccount.com"
    assert set(job["environment"]["serviceOptions"]) == {
        "worker_accelerator=type:nvidia-l4;count:1;install-nvidia-driver",
        "streaming_mode_at_least_once",
    }
    assert "no_use_multiple_sdk_containers" in job["environment"]["experiments"]
    images = {
        beam_runner_api_pb2.DockerPayload.FromString(environment.payload).container_image
        for environment in pipeline_of(job).components.environments.values()
    }
    assert images == {IMAGE}


@pytest.mark.parametrize(
    ("flags", "threads"), [([], THREADS), (["--number_of_worker_harness_threads=4"], 4), (["--processes=one"], THREADS)]
)
def test_a_worker_is_one_process_with_a_number_of_threads(
    service: DataflowService, flags: list[str], threads: int
) -> None:
    job = submitted(service, f"--image={IMAGE}", *flags)

    assert ONE_PROCESS in job["environment"]["experiments"]
    assert MANY_PROCESSES not in job["environment"]["experiments"]
    [pool] = job["environment"]["workerPools"]
    assert pool["numThreadsPerWorker"] == threads


def test_a_worker_is_a_process_for_each_vcpu_where_that_is_asked_for(service: DataflowService) -> None:
    job = submitted(service, f"--image={IMAGE}", "--processes=all")

    assert MANY_PROCESSES in job["environment"]["experiments"]
    assert ONE_PROCESS not in job["environment"]["experiments"]
    [pool] = job["environment"]["workerPools"]
    assert not pool.get("numThreadsPerWorker")


def test_without_an_image_the_code_itself_is_staged(service: DataflowService) -> None:
    job = submitted(service)

    packages = {p["name"]: p["location"] for p in job["environment"]["workerPools"][0]["packages"]}
    [location] = [where for name, where in packages.items() if name == "workflow.tar.gz"]
    data = staged("gs://" + location.removeprefix("storage.googleapis.com/"))
    with tarfile.open(fileobj=BytesIO(data)) as package:
        files = {name.partition("/")[2] for name in package.getnames()}
    wanted = {"setup.py", "models/live.py", "transforms/watching.py", "beam_pipeline/pipeline.py", "README.md"}
    assert wanted <= files
    assert not [name for name in files if name.startswith(("tests/", "benchmarks/"))]


def test_the_graph_that_is_staged_is_the_one_that_updates_are_checked_against(service: DataflowService) -> None:
    sent = described(pipeline_of(submitted(service, f"--image={IMAGE}")))
    assert set(sent["steps"]) == set(graph_of_this_code()["steps"])


def test_running_jobs_can_be_updated_to_this_code() -> None:
    assert graph_of_this_code() == json.loads(WRITTEN.read_text()), ADVICE


def test_an_update_names_the_job_that_it_replaces(service: DataflowService) -> None:
    service.running["images-1"] = "2026-01-01_job"
    mapping = json.dumps({"OldName": "ParseMessages"})
    job = submitted(
        service, f"--image={IMAGE}", "--update", "--job-name=images-1", f"--transform-name-mapping={mapping}"
    )

    assert job["replaceJobId"] == "2026-01-01_job"
    assert job["transformNameMapping"] == {"OldName": "ParseMessages"}


def test_an_update_of_a_job_that_does_not_run_is_refused(
    service: DataflowService, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(service, f"--image={IMAGE}", "--update", "--job-name=images-1") == 2
    assert capsys.readouterr().err == "error: --update: no job images-1 runs in my-project, us-central1\n"
    assert service.received == []


def test_a_refusal_of_the_service_is_one_line(service: DataflowService, capsys: pytest.CaptureFixture[str]) -> None:
    service.refusal = (403, "Dataflow API has not been used in project my-project before")
    assert submit(service, f"--image={IMAGE}") == 1
    [line] = [text for text in capsys.readouterr().err.splitlines() if text.startswith("error")]
    assert "Dataflow API has not been used in project my-project before" in line


def test_a_dry_run_sends_and_stages_nothing(service: DataflowService, capsys: pytest.CaptureFixture[str]) -> None:
    assert submit(service, f"--image={IMAGE}", "--dry-run") == 0
    assert "  machine_type=n2-standard-4" in capsys.readouterr().out
    assert service.received == []
    assert list(storage.Client.create_anonymous_client().list_blobs(BUCKET)) == []


@pytest.mark.parametrize(("last", "code"), [("JOB_STATE_DRAINED", 0), ("JOB_STATE_FAILED", 1)])
def test_waiting_tells_each_state_until_the_job_ends(
    service: DataflowService, capsys: pytest.CaptureFixture[str], last: str, code: int
) -> None:
    service.states = ["JOB_STATE_QUEUED", "JOB_STATE_RUNNING", "JOB_STATE_RUNNING", last]
    assert submit(service, f"--image={IMAGE}", "--wait") == code
    told = [line.split()[-1] for line in capsys.readouterr().out.splitlines() if line[2:3] == ":"]
    assert told[-2:] == ["RUNNING", last.removeprefix("JOB_STATE_")]


def test_a_bucket_elsewhere_is_refused_before_anything_is_staged(
    service: DataflowService, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(service, f"--image={IMAGE}", "--region=europe-west1") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line == f"error: --bucket gs://{BUCKET} is in US, not in --region europe-west1"
    assert service.received == []


def test_a_bucket_that_does_not_exist_is_refused(service: DataflowService, capsys: pytest.CaptureFixture[str]) -> None:
    assert submit(service, "--bucket=not-there", f"--image={IMAGE}") == 2
    assert capsys.readouterr().err == "error: --bucket gs://not-there does not exist\n"
