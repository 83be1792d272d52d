"""What a Dataflow job will be given: every flag checked, and turned into the options of Beam and of the job."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apache_beam.options.pipeline_options import DebugOptions, PipelineOptions

from beam_pipeline.option_table import OPTIONS, REMOTE, JobOptions, Kind
from beam_pipeline.options import OptionError, parse_options
from launch.code_version import labels, setup_file
from launch.command_line import CommandRefused
from launch.dataflow import resource_names as names
from launch.dataflow.worker_processes import MANY_PROCESSES, ONE_PROCESS, Processes

_MOST_LABELS = 64
_PRIVATE_WORKERS = "--no_use_public_ips"
_GPU_MACHINES = {"nvidia-l4": "g2-", "nvidia-a100-80gb": "a2-", "nvidia-tesla-a100": "a2-"}
_OTHER_GPU_MACHINES = "n1-"
_SET_HERE = {
    "runner": None,
    "streaming": None,
    "temp_location": "--bucket",
    "staging_location": "--bucket",
    "setup_file": "--image, or nothing",
    "labels": "--label",
    "max_num_workers": "--max-workers",
    "worker_machine_type": "--machine-type",
    "service_account_email": "--service-account",
    "sdk_container_image": "--image",
}
"""Beam options that the launch alone sets, and the flag to give instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a job runs, on what, as whom; each attribute is the flag of the same name, None where it was not given."""

    project: str
    region: str
    bucket: str
    job_name: str
    machine_type: str
    num_workers: int
    max_workers: int
    disk_size_gb: int
    service_account: str | None
    network: str | None
    subnetwork: str | None
    public_ips: bool
    gpu: str | None
    at_least_once: bool
    update: bool
    transform_name_mapping: str | None
    label: tuple[str, ...]
    image: str | None
    processes: Processes


@dataclass(frozen=True, slots=True)
class Plan:
    """A job that may be submitted."""

    placement: Placement
    argv: tuple[str, ...]
    options: PipelineOptions
    job: JobOptions

    def console_url(self, job_id: str) -> str:
        """Where the job is watched."""
        place = self.placement
        return f"https://console.cloud.google.com/dataflow/jobs/{place.region}/{job_id}?project={place.project}"

    def lines(self) -> Iterator[str]:
        """The plan as people read it."""
        place = self.placement
        what = "update of the running job" if place.update else "job"
        yield f"{what} {place.job_name} in {place.project}, {place.region}"
        yield from (f"  {option.removeprefix('--')}" for option in self.argv)
        if not any(option.startswith("--registry") for option in self.argv):
            yield f"  registry={self.job.registry}"
        yield f"  experiments={','.join(self.options.get_all_options()['experiments'] or [])}"


def make_plan(placement: Placement, job_argv: Sequence[str], beam_argv: Sequence[str] = ()) -> Plan:
    """Checks all that can be checked on this machine.

    Args:
        placement: where the job runs.
        job_argv: the job's own options, as `beam_pipeline.options` takes them.
        beam_argv: more of Beam's options.

    Raises:
        CommandRefused: the first flag that is wrong.
    """
    _check_names(placement)
    _check_sizes(placement)
    _check_labels(placement.label)
    _check_gpu(placement)
    _check_installable(placement, beam_argv)
    _check_update(placement)
    for option in beam_argv:
        name = option.removeprefix("--").partition("=")[0]
        if name in _SET_HERE:
            instead = _SET_HERE[name]
            raise CommandRefused(f"--{name} is set by the launch" + (f"; give {instead}" if instead else ""))
    argv = (*_beam_options(placement), *job_argv, *beam_argv)
    try:
        options, job, _ = parse_options(argv)
    except OptionError as error:
        raise CommandRefused(str(error)) from error
    _check_remote(job)
    experiments = set(options.view_as(DebugOptions).experiments or [])
    if MANY_PROCESSES in experiments or (ONE_PROCESS in experiments and placement.processes is not Processes.ONE):
        raise CommandRefused("--experiments: how many processes a worker runs is set by the launch; give --processes")
    return Plan(placement, argv, options, job)


def _beam_options(place: Placement) -> Iterator[str]:
    folder = f"gs://{place.bucket}"
    yield "--runner=DataflowRunner"
    yield f"--project={place.project}"
    yield f"--region={place.region}"
    yield f"--job_name={place.job_name}"
    yield f"--staging_location={folder}/staging"
    yield f"--temp_location={folder}/temp"
    yield f"--machine_type={place.machine_type}"
    yield f"--num_workers={place.num_workers}"
    yield f"--max_num_workers={place.max_workers}"
    yield "--autoscaling_algorithm=THROUGHPUT_BASED"
    yield f"--disk_size_gb={place.disk_size_gb}"
    for name, value in (
        ("service_account_email", place.service_account),
        ("network", place.network),
        ("subnetwork", place.subnetwork),
    ):
        if value is not None:
            yield f"--{name}={value}"
    if not place.public_ips:
        yield _PRIVATE_WORKERS
    if place.gpu is not None:
        kind, _, count = place.gpu.partition(":")
        yield f"--dataflow_service_options=worker_accelerator=type:{kind};count:{count or 1};install-nvidia-driver"
    yield from place.processes.beam_options()
    if place.at_least_once:
        yield "--dataflow_service_options=streaming_mode_at_least_once"
    if place.update:
        yield "--update"
    if place.transform_name_mapping is not None:
        yield f"--transform_name_mapping={place.transform_name_mapping}"
    for key, value in (labels() | dict(label.split("=", 1) for label in place.label)).items():
        yield f"--labels={key}={value}"
    yield f"--sdk_container_image={place.image}" if place.image else f"--setup_file={_packaging()}"
    if place.image:
        yield "--sdk_location=container"


def _packaging() -> Path:
    path = setup_file()
    if path is None:
        raise CommandRefused("this installation has no setup.py to package the code; give --image, or use a checkout")
    return path


def _check_names(place: Placement) -> None:
    for flag, name, pattern, example in (
        ("project", place.project, names.PROJECT, "a project id, e.g. my-project-1"),
        ("region", place.region, names.REGION, "a region, e.g. europe-west1"),
        ("bucket", place.bucket, names.BUCKET, "a bucket's name, e.g. my-bucket"),
        ("job-name", place.job_name, names.JOB_NAME, "lower-case letters, digits and hyphens"),
        ("machine-type", place.machine_type, names.MACHINE_TYPE, "a machine type, e.g. n2-standard-4"),
        ("service-account", place.service_account, names.SERVICE_ACCOUNT, "NAME@PROJECT.iam.gserviceaccount.com"),
        ("network", place.network, names.NETWORK, "a network's name"),
        ("subnetwork", place.subnetwork, names.SUBNETWORK, "regions/REGION/subnetworks/NAME"),
        ("gpu", place.gpu, names.ACCELERATOR, "TYPE or TYPE:COUNT, e.g. nvidia-tesla-t4:1"),
        ("image", place.image, names.IMAGE, "REGISTRY/PATH:TAG or REGISTRY/PATH@sha256:DIGEST"),
    ):
        if name is not None and not names.fits(pattern, name):
            raise CommandRefused(f"--{flag} is {name!r}; {example} is expected")
    if place.bucket.startswith("goog") or "google" in place.bucket:
        raise CommandRefused(f"--bucket is {place.bucket!r}; names with goog in front or with google are reserved")
    if place.subnetwork is not None and f"regions/{place.region}/" not in place.subnetwork:
        raise CommandRefused(f"--subnetwork {place.subnetwork} is not in --region {place.region}")


def _check_sizes(place: Placement) -> None:
    for flag, number, least in (
        ("num-workers", place.num_workers, 1),
        ("max-workers", place.max_workers, 1),
        ("disk-size-gb", place.disk_size_gb, 30),
    ):
        if number < least:
            raise CommandRefused(f"--{flag} is {number}; it must be at least {least}")
    if place.num_workers > place.max_workers:
        raise CommandRefused(f"--num-workers is {place.num_workers}, more than --max-workers, {place.max_workers}")


def _check_labels(given: Sequence[str]) -> None:
    seen = set(labels())
    for label in given:
        key, equals, value = label.partition("=")
        if not equals or not names.fits(names.LABEL_KEY, key) or not names.fits(names.LABEL_VALUE, value):
            raise CommandRefused(f"--label is {label!r}; KEY=VALUE in lower-case letters, digits, _ and - is expected")
        if key in seen:
            raise CommandRefused(f"--label {key} is given twice, or is set by the launch")
        seen.add(key)
    if len(seen) > _MOST_LABELS:
        raise CommandRefused(f"--label is given {len(given)} times; a job has at most {_MOST_LABELS} labels")


def _check_gpu(place: Placement) -> None:
    if place.gpu is None:
        return
    if place.image is None:
        raise CommandRefused("--gpu needs --image: CUDA's libraries are in the GPU variant of the container alone")
    kind = place.gpu.partition(":")[0]
    family = _GPU_MACHINES.get(kind, _OTHER_GPU_MACHINES)
    if not place.machine_type.startswith(family):
        raise CommandRefused(f"--gpu {kind} goes with a --machine-type {family}…, not with {place.machine_type}")
    if place.processes is not Processes.ONE:
        raise CommandRefused("--gpu goes with --processes one: several would each load every model into the one GPU")


def _check_installable(place: Placement, beam_argv: Sequence[str]) -> None:
    flag = "--no-public-ips" if not place.public_ips else _PRIVATE_WORKERS if _PRIVATE_WORKERS in beam_argv else None
    if flag is not None and place.image is None:
        raise CommandRefused(
            f"{flag} needs --image: such workers reach no package index, so the code and its packages must be in their "
            "container image (docs/dataflow.md, step 2)"
        )


def _check_update(place: Placement) -> None:
    if place.transform_name_mapping is not None:
        if not place.update:
            raise CommandRefused("--transform-name-mapping goes with --update")
        mapping: Any = None
        with contextlib.suppress(ValueError):
            mapping = json.loads(place.transform_name_mapping)
        if not isinstance(mapping, dict) or not all(isinstance(name, str) for name in mapping.values()):
            raise CommandRefused('--transform-name-mapping is not a JSON object of names, e.g. {"Old": "New"}')


def _check_remote(job: JobOptions) -> None:
    """Workers see no file of this machine, and Beam takes no topic or subscription of a project that cannot be."""
    for name, option in OPTIONS.items():
        given = getattr(job, name)
        values = given if isinstance(given, tuple) else () if given is None else (given,)
        flag = f"--{name.replace('_', '-')}"
        for value in values:
            match option.kind:
                case Kind.TOPIC | Kind.SUBSCRIPTION if not names.fits(names.PROJECT, value.split("/")[1]):
                    raise CommandRefused(f"{flag} is {value!r}; {value.split('/')[1]} is no project id")
                case Kind.PLACE | Kind.PLACES if not re.match(REMOTE, value):
                    raise CommandRefused(f"{flag} is {value!r}, which is no place that workers reach (gs://…)")
