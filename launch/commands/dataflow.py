"""`hotswap dataflow`: runs the job on Google Cloud Dataflow, or updates the one that runs there."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from beam_pipeline.option_table import OPTIONS, as_flags
from launch.command_line import CommandRefused
from launch.dataflow.plan import Placement, make_plan
from launch.dataflow.submission import check_bucket, submit
from launch.dataflow.worker_processes import Processes
from launch.job_flags import with_job_flags

DEFAULT_JOB_NAME = "hotswap-inference"

app = typer.Typer(add_completion=False)


@app.command(
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        # The job's own options have underscores; here either is right.
        "token_normalize_func": lambda token: token.replace("_", "-"),
    }
)
@with_job_flags(OPTIONS)
def dataflow(
    context: typer.Context,
    project: Annotated[str, typer.Option(help="Google Cloud project id.")],
    region: Annotated[str, typer.Option(help="Where the job runs, e.g. europe-west1.")],
    bucket: Annotated[str, typer.Option(help="Bucket for staged code and temporary files, in the same region.")],
    machine_type: Annotated[str, typer.Option(help="Of the workers.")] = "n2-standard-4",
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
    processes: Annotated[
        Processes, typer.Option(help="On each worker: one for all of its vCPUs, or one for each.")
    ] = Processes.ONE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, print the plan, send nothing.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Stay until the job ends, and tell how it does.")] = False,
    *,
    job: Mapping[str, Any],
) -> int:
    """Submits the job to Dataflow. Beam's own options are taken too, as --name=value."""
    if update and job_name is None:
        raise CommandRefused("--update needs --job-name, the name of the running job")
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
        processes=processes,
    )
    plan = make_plan(placement, as_flags(job), context.args)
    for line in plan.lines():
        print(line)
    sys.stdout.flush()  # before what standard error says, wherever the two of them meet
    check_bucket(plan)
    return 0 if dry_run else submit(plan, wait)
