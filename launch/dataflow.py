"""`python -m launch.dataflow`: runs the job on Google Cloud Dataflow, or updates the one that runs there."""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import Annotated, Any

import apache_beam as beam
import typer
from apache_beam.options.pipeline_options import GoogleCloudOptions
from apache_beam.runners.runner import PipelineState
from google.api_core.exceptions import GoogleAPIError, NotFound
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.cloud import storage
from requests.exceptions import RequestException

from beam_pipeline.pipeline import build
from beam_pipeline.running import pubsub_source
from launch.cloud_storage import HOW_TO_GET_CREDENTIALS, find_credentials
from launch.command_line import LaunchError, LaunchFailed, run
from launch.dataflow_plan import DEFAULT_JOB_NAME, DEFAULT_MACHINE_TYPE, Placement, Plan, make_plan
from launch.resource_names import is_in_region
from models.errors import one_line
from transforms.windowing import SideInputMode

_LOOK_SECONDS = 10.0
_ANSWER_SECONDS = 10.0
_LIST_SECONDS = 60.0
_WELL_ENDED = (PipelineState.DONE, PipelineState.CANCELLED, PipelineState.DRAINED, PipelineState.UPDATED)
_UNREACHABLE = (GoogleAPIError, GoogleAuthError, RequestException, OSError)

app = typer.Typer(add_completion=False)


@app.command(
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        # The job's own options have underscores; here either is right.
        "token_normalize_func": lambda token: token.replace("_", "-"),
    }
)
def dataflow(
    context: typer.Context,
    project: Annotated[str, typer.Option(help="Google Cloud project id.")],
    region: Annotated[str, typer.Option(help="Where the job runs, e.g. europe-west1.")],
    bucket: Annotated[str, typer.Option(help="Bucket for staged code and temporary files, in the same region.")],
    model_pattern: Annotated[str, typer.Option(help="gs://BUCKET/models/*.h5; the newest valid one is live.")],
    input_subscription: Annotated[str | None, typer.Option(help="projects/P/subscriptions/S")] = None,
    input_topic: Annotated[str | None, typer.Option(help="projects/P/topics/T, instead of a subscription.")] = None,
    output_topic: Annotated[str | None, typer.Option(help="Results, one message each.")] = None,
    output_path: Annotated[str | None, typer.Option(help="Results, as JSON Lines files under gs://…")] = None,
    dead_letter_topic: Annotated[str | None, typer.Option(help="What could not be predicted.")] = None,
    dead_letter_path: Annotated[str | None, typer.Option(help="The same, as files.")] = None,
    model_events_topic: Annotated[str | None, typer.Option(help="What happened to each model.")] = None,
    model_events_path: Annotated[str | None, typer.Option(help="The same, as files.")] = None,
    image_prefix: Annotated[list[str] | None, typer.Option(help="Only images below one of these are read.")] = None,
    engine: Annotated[str, typer.Option(help="auto, tensorflow or onnx.")] = "auto",
    model_poll_seconds: Annotated[float, typer.Option(help="Between two looks at the models.")] = 30.0,
    max_batch_size: Annotated[int, typer.Option(help="Most images in one call of the model.")] = 32,
    max_batch_wait_ms: Annotated[int, typer.Option(help="How long a batch waits for more images.")] = 0,
    compile_cache: Annotated[str | None, typer.Option(help="gs://… where workers share compiled models.")] = None,
    machine_type: Annotated[str, typer.Option(help="Of the workers.")] = DEFAULT_MACHINE_TYPE,
    num_workers: Annotated[int, typer.Option(help="Workers at the start.")] = 1,
    max_workers: Annotated[int, typer.Option(help="Most workers.")] = 10,
    disk_size_gb: Annotated[int, typer.Option(help="Disk of each worker.")] = 50,
    service_account: Annotated[str | None, typer.Option(help="Whom the workers run as.")] = None,
    network: Annotated[str | None, typer.Option(help="VPC network of the workers.")] = None,
    subnetwork: Annotated[str | None, typer.Option(help="regions/REGION/subnetworks/NAME")] = None,
    public_ips: Annotated[bool, typer.Option(help="Without, the subnetwork needs Private Google Access.")] = True,
    gpu: Annotated[str | None, typer.Option(help="TYPE or TYPE:COUNT for each worker, e.g. nvidia-tesla-t4:1.")] = None,
    at_least_once: Annotated[bool, typer.Option(help="Cheaper and faster; a result may come twice.")] = False,
    update: Annotated[bool, typer.Option(help="Replace the running job of this --job-name in place.")] = False,
    transform_name_mapping: Annotated[str | None, typer.Option(help='JSON, {"old name": "new name"}.')] = None,
    job_name: Annotated[str | None, typer.Option(help=f"Default: {DEFAULT_JOB_NAME}.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="KEY=VALUE on the job; repeatable.")] = None,
    image: Annotated[
        str | None, typer.Option(help="Container image with this code; without, setup.py packages it.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, print the plan, send nothing.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Stay until the job ends, and tell how it does.")] = False,
) -> int:
    """Submits the job to Dataflow. Beam's own options are taken too, as --name=value."""
    if update and job_name is None:
        raise LaunchError("--update needs --job-name, the name of the running job")
    placement = Placement(
        project=project,
        region=region,
        bucket=bucket.removeprefix("gs://").rstrip("/"),
        job_name=job_name or DEFAULT_JOB_NAME,
        machine_type=machine_type,
        num_workers=num_workers,
        max_workers=max_workers,
        disk_size_gb=disk_size_gb,
        service_account=service_account,
        network=network,
        subnetwork=subnetwork,
        public_ips=public_ips,
        gpu=gpu,
        at_least_once=at_least_once,
        update=update,
        transform_name_mapping=transform_name_mapping,
        label=tuple(label or ()),
        image=image,
    )
    values = {
        "input_subscription": input_subscription,
        "input_topic": input_topic,
        "model_pattern": model_pattern,
        "model_poll_seconds": model_poll_seconds,
        "output_topic": output_topic,
        "output_path": output_path,
        "dead_letter_topic": dead_letter_topic,
        "dead_letter_path": dead_letter_path,
        "model_events_topic": model_events_topic,
        "model_events_path": model_events_path,
        "engine": engine,
        "max_batch_size": max_batch_size,
        "max_batch_wait_ms": max_batch_wait_ms,
        "compile_cache": compile_cache,
    }
    job_argv = [f"--{name}={value}" for name, value in values.items() if value is not None]
    job_argv += [f"--image_prefix={prefix}" for prefix in image_prefix or []]
    plan = make_plan(placement, job_argv, context.args)
    _check_bucket(plan)
    for line in plan.lines():
        print(line)
    if dry_run:
        return 0
    return _submit(plan, wait)


def _check_bucket(plan: Plan) -> None:
    """Refuses a bucket that is absent or elsewhere, as far as the bucket can be asked.

    Raises:
        LaunchError: it is, or nobody is logged in to submit anything.
    """
    place = plan.placement
    client = _storage_client(plan)
    if client is None:
        print(f"note: without Google credentials the region of gs://{place.bucket} was not checked", file=sys.stderr)
        return
    try:
        found = client.get_bucket(place.bucket, timeout=_ANSWER_SECONDS, retry=None)
    except NotFound as error:
        raise LaunchError(f"--bucket gs://{place.bucket} does not exist") from error
    except _UNREACHABLE as error:
        print(f"note: the region of gs://{place.bucket} was not checked: {one_line(error, limit=500)}", file=sys.stderr)
        return
    if not is_in_region(found.location or "", place.region, tuple(found.data_locations or ())):
        raise LaunchError(f"--bucket gs://{place.bucket} is in {found.location}, not in --region {place.region}")


def _storage_client(plan: Plan) -> Any:
    if os.environ.get("STORAGE_EMULATOR_HOST"):
        return storage.Client.create_anonymous_client()
    credentials = find_credentials()
    if credentials is None:
        return None
    return storage.Client(project=plan.placement.project, credentials=credentials)


def _submit(plan: Plan, wait: bool) -> int:
    cloud = plan.options.view_as(GoogleCloudOptions)
    if not cloud.no_auth and find_credentials() is None:
        raise LaunchError(f"Dataflow needs Google credentials, and none were found: {HOW_TO_GET_CREDENTIALS}")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    try:
        pipeline = beam.Pipeline(options=plan.options)
    except ValueError as error:
        raise LaunchError(one_line(error, limit=500)) from error
    if plan.placement.update:
        _check_that_it_runs(plan)
    build(pipeline, pubsub_source(plan.job), plan.job, SideInputMode.TRIGGERED)
    print("staging and submitting: a minute or so")
    try:
        result = pipeline.run()
    except Exception as error:  # of the staging client, the packaging or the API, each with kinds of its own
        raise LaunchFailed(f"the job was not submitted: {one_line(error, limit=500)}") from error
    job_id = result.job_id()
    print(f"job {job_id}")
    print(plan.console_url(job_id))
    return _follow(result) if wait else 0


def _check_that_it_runs(plan: Plan) -> None:
    """Refuses to update a job that is not there: Beam 2.77 would look for its name for ever."""
    from google.cloud import dataflow_v1beta3

    place, cloud = plan.placement, plan.options.view_as(GoogleCloudOptions)
    local = "localhost" in cloud.dataflow_endpoint
    nobody: Any = AnonymousCredentials  # google-auth has no types for it
    jobs = dataflow_v1beta3.JobsV1Beta3Client(
        credentials=nobody() if cloud.no_auth else find_credentials(),
        client_options={"api_endpoint": cloud.dataflow_endpoint.rstrip("/") if local else _host(cloud)},
        transport="rest",
    )
    request = dataflow_v1beta3.ListJobsRequest(
        project_id=place.project, location=place.region, filter=dataflow_v1beta3.ListJobsRequest.Filter.ACTIVE
    )
    try:
        names = {job.name for job in jobs.list_jobs(request, timeout=_LIST_SECONDS)}
    except _UNREACHABLE as error:
        raise LaunchFailed(f"the running jobs cannot be listed: {one_line(error, limit=500)}") from error
    if place.job_name not in names:
        raise LaunchError(f"--update: no job {place.job_name} runs in {place.project}, {place.region}")


def _host(cloud: GoogleCloudOptions) -> str:
    return str(cloud.dataflow_endpoint).partition("://")[2].rstrip("/")


def _follow(result: Any) -> int:
    """Tells each change of state until the job has ended; an interrupt ends the telling, not the job."""
    before = None
    try:
        while True:
            state = result.state
            if state != before:
                print(f"{time.strftime('%H:%M:%S')} {state}", flush=True)
                before = state
            if PipelineState.is_terminal(state):
                break
            time.sleep(_LOOK_SECONDS)
    except KeyboardInterrupt:
        print("the job goes on; `gcloud dataflow jobs drain` ends it with nothing lost")
        return 0
    if before not in _WELL_ENDED:
        raise LaunchFailed(f"the job ended as {before}")
    return 0


if __name__ == "__main__":
    sys.exit(run(app))
