"""What must work in the server's image, run as a pod runs it: it starts, answers, swaps and drains."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from launch.command_line import CommandFailed
from launch.health import PORT
from models.reference import DIGEST_DIGITS
from tests.container.buildah import Buildah
from tests.container.read_only import MODELS, ReadOnly
from tests.end_to_end.telling_models import drop
from tests.sample_images import encoded, small
from tests.waiting import eventually

_NAME = "telling"
_ADDRESS = f"http://127.0.0.1:{PORT}"
_ABSENT = ("apache_beam", "tensorflow", "keras")
_SECONDS = 120


@dataclass(frozen=True)
class Pod:
    """An image that is mounted to be read alone, and what goes with it.

    Attributes:
        inside: the image.
        image: its name.
        buildah: has it.
        models: the folder of this machine that it watches.
    """

    inside: ReadOnly
    image: str
    buildah: Buildah
    models: Path

    @property
    def log(self) -> Path:
        """Where everything is written that is told by what runs in there."""
        return self.buildah.log


def it_is_lean(pod: Pod) -> str:
    """Neither Beam nor TensorFlow is in it; its size is told."""
    found = [each for each in _ABSENT if pod.inside.succeeds("python", "-c", f"import {each}")]
    if found:
        raise CommandFailed(f"the server's image holds {' and '.join(found)}")
    used = [_megabytes(pod.inside.root / place) for place in ("opt/hotswap", "")]
    return f"it holds neither Beam nor TensorFlow: {used[0]:,} MB beside Python's image, {used[1]:,} MB in all"


def nothing_but_tmp_can_be_written(pod: Pod) -> str:
    """Its user is not root, and its root is read-only."""
    places = ("/", "/etc", "/opt/hotswap", "/home", "/usr", MODELS)
    written = [place for place in places if pod.inside.succeeds("touch", f"{place}/written")]
    if written or not pod.inside.succeeds("touch", "/tmp/written"):
        raise CommandFailed(f"in the container, {' and '.join(written) or '/tmp alone cannot'} can be written")
    if pod.inside.succeeds("test", "-w", "/proc/sys") or not pod.inside.succeeds("sh", "-c", "test $(id -u) -gt 10000"):
        raise CommandFailed("the container's user is one that may do more than others")
    return "its user is not root, and can write to /tmp alone"


def doctor_is_content(pod: Pod) -> str:
    """Every check of the doctor's."""
    command = pod.inside.command("hotswap", "doctor")
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    _append(pod.log, done.stdout + done.stderr)
    if done.returncode:
        raise CommandFailed(f"in the container, the doctor finds faults; see {pod.log}")
    return "the doctor finds no fault"


def it_is_closed_by_default(pod: Pod) -> str:
    """Nobody is answered without TLS unless that is spelt out."""
    command = pod.inside.command(*pod.inside.settings["Entrypoint"], "--models", f"{MODELS}/*.onnx")
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    _append(pod.log, done.stderr)
    last = (done.stderr.splitlines() or [""])[-1]
    if done.returncode != 2 or "--insecure" not in last:
        raise CommandFailed(f"a server without TLS is not refused in a line that says what to do; see {pod.log}")
    return f"it is closed by default: {last}"


def it_answers_through_a_swap_and_drains(pod: Pod) -> str:
    """Ready with a model, healthy by its own check, swapped, and gone in order."""
    first = _dropped(pod, "first")
    with _server(pod) as server:
        eventually(lambda: server.poll() is not None or _status("/v2/health/ready") == 200, "a server that is ready")
        if server.returncode is not None:
            raise CommandFailed(f"the server ended with exit code {server.returncode}; see {pod.log}")
        if not pod.inside.succeeds(*pod.buildah.health_check(pod.image)):
            raise CommandFailed("the image's own health check fails where the server is ready")
        eventually(lambda: _answer() == ("first", first), "answers of the first model")
        second = _dropped(pod, "second")
        eventually(lambda: _answer() == ("second", second), "answers of the second model")
        [process] = psutil.Process(server.pid).children()
        # The vetting child of the second model, and the host of the first: whoever begins them waits for them.
        eventually(lambda: not _ended(process), "no process that ended and was left behind in the pod")
        process.terminate()
        code = server.wait(_SECONDS)
    if code != 0:
        raise CommandFailed(f"the server ends with exit code {code} where it is asked to end; see {pod.log}")
    if pod.inside.succeeds(*pod.buildah.health_check(pod.image)):
        raise CommandFailed("the image's own health check holds where there is no server")
    return f"it answers by {first}, then by {second}, as each answer says, and ends with 0 when it is told to"


@contextmanager
def _server(pod: Pod) -> Iterator[subprocess.Popen[bytes]]:
    if _listens():
        raise CommandFailed(f"another program listens at {_ADDRESS}, where the server is asked")
    options = ["--models", f"{MODELS}/*.onnx", "--name", _NAME, "--insecure"]
    command = pod.inside.command(*pod.inside.settings["Entrypoint"], *options)
    with pod.log.open("a") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            yield server
        finally:
            for first in psutil.Process(server.pid).children() if server.poll() is None else ():
                first.kill()  # and whatever it has begun: it is the first process of its pod


def _ended(first: psutil.Process) -> list[int]:
    """The processes that have ended, and for which the first process of a pod has not waited."""
    running = psutil.process_iter(["ppid", "status"])
    return [each.pid for each in running if each.info == {"ppid": first.pid, "status": psutil.STATUS_ZOMBIE}]


def _dropped(pod: Pod, name: str) -> str:
    """The digest of a model that appears in the folder, and labels whatever it sees with its name."""
    return drop(pod.models, name).rpartition(":")[2][:DIGEST_DIGITS]


def _answer() -> tuple[str, str]:
    """Which label one image gets, and the digest of the model that says so."""
    image = base64.b64encode(encoded(small(), "PNG")).decode()
    asked = json.dumps({"instances": [{"images": {"b64": image}}]}).encode()
    request = urllib.request.Request(
        f"{_ADDRESS}/v1/models/{_NAME}:predict", asked, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=_SECONDS) as response:
        [prediction] = json.load(response)["predictions"]
    return str(prediction["labels"]), str(prediction["model_id"]).rpartition(":")[2]


def _status(path: str) -> int:
    """The code of an answer; 0 where there is none."""
    try:
        with urllib.request.urlopen(f"{_ADDRESS}{path}", timeout=_SECONDS) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def _listens() -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", PORT)) == 0


def _megabytes(folder: Path) -> int:
    command = ["du", "--summarize", "--one-file-system", "--block-size=1MB", str(folder)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[0])


def _append(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)
