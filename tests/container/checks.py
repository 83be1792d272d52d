"""What must work inside the container: its own commands, and its entry points as a runner and Dataflow use them."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from launch.command_line import CommandFailed
from launch.printing import say
from tests.container.buildah import Buildah
from tests.end_to_end.telling_models import drop
from tests.launch.dataflow.dataflow_service import dataflow_service
from tests.launch.storage_server import BUCKET, storage_server
from tests.waiting import eventually

_POOL = "localhost:50000"
"""Where `boot --worker_pool` listens; it cannot be told another."""
_CONFINED = "a model that takes its process over reaches no"
_LAUNCHER = "/opt/google/dataflow/python_template_launcher"
_SECONDS = 300


@dataclass(frozen=True)
class Inside:
    """A container of the image, and a folder that it shares with this machine under one name."""

    buildah: Buildah
    container: str
    settings: dict[str, Any]
    world: Path

    def command(self, *command: str, **variables: str) -> list[str]:
        """The command line of a command in there."""
        return self.buildah.inside(self.container, self.world, variables, command)

    def prints(self, *command: str, **variables: str) -> list[str]:
        """The lines that a command in there prints.

        Raises:
            CommandFailed: it ends badly.
        """
        return self.logged(self.command(*command, **variables), f"in the container, `{' '.join(command[:4])}`")

    def logged(self, command: Sequence[str], what: str) -> list[str]:
        """The lines that a command on this machine prints; the log has what else it writes.

        Args:
            command: with its arguments.
            what: what it is called where it ends badly.

        Raises:
            CommandFailed: it ends badly, or not in time.
        """
        log = self.buildah.log
        with log.open("a") as errors:
            try:
                done = subprocess.run(
                    command, stdout=subprocess.PIPE, stderr=errors, text=True, timeout=_SECONDS, check=False
                )
            except subprocess.TimeoutExpired as error:
                raise CommandFailed(f"{what} was still at work after {_SECONDS} s; see {log}") from error
            errors.write(done.stdout)
        if done.returncode:
            raise CommandFailed(f"{what} ended with exit code {done.returncode}; see {log}")
        return done.stdout.splitlines()


def packages_are_found(inside: Inside) -> str:
    """This project's packages are imported from one place, whatever lies where a worker is started."""
    names = ("beam_pipeline", "databases", "fleet", "launch", "models", "serving", "studio", "transforms")
    folders = ", ".join(f"{name}.__path__[0]" for name in names)
    program = f"import os, {', '.join(names)}; print(*map(os.path.dirname, [{folders}]))"
    [here], [elsewhere] = (inside.prints("python", how, program) for how in ("-c", "-Pc"))
    places = {*here.split(), *elsewhere.split()}
    if len(places) != 1:
        raise CommandFailed(f"in the container, {', '.join(names)} are imported from {' and '.join(places)}")
    return f"{', '.join(names)} are imported from {places.pop()} alone"


def doctor_is_content(inside: Inside) -> str:
    """Every check of the doctor's, and confinement above all."""
    lines = inside.prints("hotswap", "doctor")
    for line in lines:
        say(f"      {line}")
    if not any(line.startswith("ok ") and _CONFINED in line for line in lines):
        raise CommandFailed("in the container, models are not confined")
    return "the doctor finds no fault, and models are confined"


def a_model_is_vetted(inside: Inside) -> str:
    """A model file is proved, and the engine that serves it answers."""
    model = drop(inside.world / "models", "vetted").partition("@")[0]
    told = json.loads("\n".join(inside.prints("hotswap", "vet", "--json", model)))
    return f"a model is vetted in {told['seconds']['vetting']:.1f} s, and {told['engine']} answers by it"


def bundles_are_answered(inside: Inside) -> str:
    """The entry point starts a worker, which answers bundles of this project's graph, through a swap."""
    with worker_pool(inside):
        # A process of its own: a runner waits for ever for a worker that does not come.
        runner = [sys.executable, "-m", "tests.container.bundles", str(inside.world), _POOL]
        [answered] = inside.logged(runner, "the runner of a worker in the container")
    return f"a worker that the entry point starts answers {answered} messages, through a swap"


@contextmanager
def worker_pool(inside: Inside) -> Iterator[None]:
    """The image's entry point, which starts workers for whoever asks; no process of it is left afterwards."""
    if _listens():
        raise CommandFailed(f"another program listens at {_POOL}, where workers are asked for")
    command = inside.command(*inside.settings["Entrypoint"], "--worker_pool")
    with inside.buildah.log.open("a") as log, subprocess.Popen(command, stdout=log, stderr=log) as pool:
        try:
            eventually(lambda: pool.poll() is not None or _listens(), "the entry point to listen")
            if pool.returncode is not None:
                raise CommandFailed(f"the entry point ended with exit code {pool.returncode}; see {inside.buildah.log}")
            yield
        finally:
            _end(pool)


def _end(pool: subprocess.Popen[bytes]) -> None:
    family = psutil.Process(pool.pid).children(recursive=True)
    for each in reversed(family):
        each.terminate()
    for each in psutil.wait_procs(family, timeout=30)[1]:
        each.kill()


def _listens() -> bool:
    host, _, port = _POOL.partition(":")
    with socket.socket() as client:
        return client.connect_ex((host, int(port))) == 0


def a_template_is_launched(inside: Inside) -> str:
    """What the launcher of Flex Templates starts sends a job to Dataflow, whose workers get this code."""
    with storage_server() as bucket, dataflow_service() as service:
        inside.prints(
            _LAUNCHER,
            "--runner=DataflowRunner",
            "--project=my-project",
            "--region=us-central1",
            "--job_name=images",
            f"--temp_location=gs://{BUCKET}/temp",
            f"--staging_location=gs://{BUCKET}/staging",
            f"--model_pattern=gs://{BUCKET}/models/*.h5",
            "--input_subscription=projects/my-project/subscriptions/images",
            "--output_topic=projects/my-project/topics/results",
            f"--image_prefix=gs://{BUCKET}/images/",
            f"--dataflow_endpoint={service.endpoint}",
            "--no_auth",
            STORAGE_EMULATOR_HOST=bucket.address,
        )
        [job] = service.received
    staged = [package["name"] for package in job["environment"]["workerPools"][0]["packages"]]
    if "workflow.tar.gz" not in staged:
        raise CommandFailed("a template that is launched without an image gives its workers no code")
    return f"a template sends the job {job['name']}, and the code where its workers have no image"
