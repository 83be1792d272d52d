"""Sending a planned job to Dataflow, and following it there."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import GoogleCloudOptions
from apache_beam.runners.runner import PipelineState
from google.api_core.exceptions import GoogleAPIError
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from requests.exceptions import RequestException

from beam_pipeline.pipeline import build
from beam_pipeline.source import pubsub_source
from launch.command_line import CommandFailed, CommandRefused
from launch.dataflow.plan import Plan
from launch.dataflow.resource_names import is_in_region
from models.errors import one_line
from models.storage.cloud import bucket_location
from models.storage.credentials import HOW_TO_GET_CREDENTIALS, find_credentials
from models.storage.errors import NoCredentials, StorageUnavailable
from transforms.windowing import SideInputMode

LOOK_SECONDS = 10.0
_CREDENTIALS_SECONDS = 2.0
"""For a check that ends in a note; who submits looks for longer."""
_LIST_SECONDS = 60.0
_WELL_ENDED = (PipelineState.DONE, PipelineState.CANCELLED, PipelineState.DRAINED, PipelineState.UPDATED)
_UNREACHABLE = (GoogleAPIError, GoogleAuthError, RequestException, OSError)


def check_bucket(plan: Plan) -> None:
    """Refuses a bucket that is absent or elsewhere, as far as the bucket can be asked.

    Raises:
        CommandRefused: it is.
    """
    place = plan.placement
    try:
        location, *data_locations = bucket_location(place.bucket, _CREDENTIALS_SECONDS)
    except FileNotFoundError as error:
        raise CommandRefused(f"--bucket gs://{place.bucket} does not exist") from error
    except NoCredentials:
        print(f"note: without Google credentials the region of gs://{place.bucket} was not checked", file=sys.stderr)
    except StorageUnavailable as error:
        print(f"note: the region of gs://{place.bucket} was not checked: {error}", file=sys.stderr)
    else:
        if not is_in_region(location, place.region, tuple(data_locations)):
            raise CommandRefused(f"--bucket gs://{place.bucket} is in {location}, not in --region {place.region}")


def submit(plan: Plan, wait: bool) -> int:
    """Sends the job, and says where it is watched; returns the exit code.

    Args:
        plan: the job, as it was checked.
        wait: whether to stay until the job ends, and to tell how it does.

    Raises:
        CommandRefused: there are no credentials, Beam refuses an option, or no such job runs that could be updated.
        CommandFailed: the job was not taken, or ended otherwise than well.
    """
    cloud = plan.options.view_as(GoogleCloudOptions)
    if not cloud.no_auth and find_credentials() is None:
        raise CommandRefused(f"Dataflow needs Google credentials, and none were found: {HOW_TO_GET_CREDENTIALS}")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    try:
        pipeline = beam.Pipeline(options=plan.options)
    except ValueError as error:
        raise CommandRefused(one_line(error, limit=500)) from error
    if plan.placement.update:
        _check_that_it_runs(plan)
    build(pipeline, pubsub_source(plan.job), plan.job, SideInputMode.TRIGGERED)
    print("staging and submitting: a minute or so")
    try:
        result = pipeline.run()
    except Exception as error:  # of the staging client, the packaging or the API, each with kinds of its own
        raise CommandFailed(f"the job was not submitted: {one_line(error, limit=500)}") from error
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
        raise CommandFailed(f"the running jobs cannot be listed: {one_line(error, limit=500)}") from error
    if place.job_name not in names:
        raise CommandRefused(f"--update: no job {place.job_name} runs in {place.project}, {place.region}")


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
            time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        print("the job goes on; `gcloud dataflow jobs drain` ends it with nothing lost")
        return 0
    if before not in _WELL_ENDED:
        raise CommandFailed(f"the job ended as {before}")
    return 0
