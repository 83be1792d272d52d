"""The servers that are compared, each a process with those below it, on a port of 127.0.0.1."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import grpc

from benchmarks.server.asking import Asked
from benchmarks.server.environments import PeerMissing, environment_python
from benchmarks.throughput import Tell
from models.artefacts import OPENVINO_FILE, Artefact
from models.compute_threads import cores
from models.engines.engine import images_of_a_run
from models.engines.openvino_engine import RUN_BYTES
from serving.messages.pool import message

Kind = Literal["JPEG", "tensor"]
KINDS: tuple[Kind, ...] = ("JPEG", "tensor")
OURS, TRITON = "ours", "Triton"
MLSERVER, MLSERVER_BATCHING, MLSERVER_WORKERS = "MLServer", "MLServer, batching", "MLServer, workers"
MLSERVERS = (MLSERVER, MLSERVER_BATCHING, MLSERVER_WORKERS)
ARMS = (OURS, *MLSERVERS, TRITON)
MODEL = "photographs"
_PEERS = Path(__file__).parent / "peers"
_READY_SECONDS = 120.0
_END_SECONDS = 15.0
_LOOK_SECONDS = 0.1
_READY = "/inference.GRPCInferenceService/ModelReady"
_METADATA = "/inference.GRPCInferenceService/ModelMetadata"
_MLSERVER = {"debug": False, "host": "127.0.0.1", "grpc_max_message_length": 1 << 26}
_BATCHING = {"max_batch_size": 8, "max_batch_time": 0.001}


@dataclass(frozen=True, slots=True)
class Subject:
    """A model that every server answers with.

    Attributes:
        name: as tables call it.
        path: its file.
        artefact: as this project compiled it, which the others load too.
    """

    name: str
    path: Path
    artefact: Artefact


class Server:
    """A server that has been started and answers.

    Args:
        name: one of `ARMS`.
        command: that starts it.
        folder: of its own; its log is there.
        port: of its gRPC side; None where its log says it.
        models: what it calls the model that takes images, and the one that takes tensors.
        image_shape: of an input of one encoded image.
        environment: beside this process' own.

    Raises:
        PeerMissing: it ended, or does not answer.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        port: int | None,
        models: Mapping[Kind, str],
        image_shape: tuple[int, ...] = (1,),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.folder = folder
        self._models = models
        self._image_shape = image_shape
        self._log = folder / "log.txt"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=folder,
                env=os.environ | dict(environment or {}),
                start_new_session=True,
            )
        try:
            self.address = f"127.0.0.1:{port or self._told_port()}"
            self._tensor_name = self._await_ready()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Of its first process."""
        return self._process.pid

    def asked(self, kind: Kind, paths: Sequence[str]) -> Asked:
        """These files, as this server wants them to be asked about."""
        name = "images" if kind == "JPEG" else self._tensor_name
        return Asked(self._models[kind], name, list(paths), self._image_shape)

    def close(self) -> None:
        """Ends it and all that it started."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        with suppress(ProcessLookupError):  # those whose parent is gone
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _told_port(self) -> int:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            found = re.search(rb"^ready: grpc=\S+:(\d+) ", self._log.read_bytes(), re.MULTILINE)
            if found:
                return int(found[1])
            self._require_running()
            time.sleep(_LOOK_SECONDS)
        raise PeerMissing(f"{self.name} was not ready within {_READY_SECONDS:.0f} s; see {self._log}")

    def _await_ready(self) -> str:
        """Returns the name of the input that takes tensors, once all models are ready."""
        deadline = time.monotonic() + _READY_SECONDS
        with grpc.insecure_channel(self.address) as channel:
            while True:
                self._require_running()
                try:
                    if all(_asked(channel, _READY, "ModelReady", model).ready for model in self._models.values()):
                        inputs = _asked(channel, _METADATA, "ModelMetadata", self._models["tensor"]).inputs
                        return next((each.name for each in inputs if each.name != "images"), "tensor")
                except grpc.RpcError as error:
                    last = str(error)[:300]
                    if time.monotonic() > deadline:
                        raise PeerMissing(f"{self.name} does not answer; see {self._log}: {last}") from error
                time.sleep(_LOOK_SECONDS)

    def _require_running(self) -> None:
        if self._process.poll() is not None:
            raise PeerMissing(f"{self.name} ended with {self._process.returncode}; see {self._log}")


def start(name: str, subject: Subject, folder: Path, cache: Path, tell: Tell) -> Server:
    """Starts one of `ARMS` in a folder of its own below `folder`; `cache` holds what this project compiled.

    Raises:
        PeerMissing: it cannot be had, ended, or does not answer.
    """
    place = folder / re.sub(r"\W+", "-", name.lower())
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    if name == OURS:
        return start_ours(subject.path, place, cache)
    if subject.artefact.manifest.engine != "openvino":
        raise PeerMissing(f"{subject.name} is answered by {subject.artefact.manifest.engine} here, {name} by OpenVINO")
    told = place / "classifier.json"
    told.write_text(json.dumps(_told(subject)))
    for module in ("classifier.py", "mlserver_runtime.py", "triton_server.py"):
        shutil.copy(_PEERS / module, place)
    if name == TRITON:
        return _triton(told, place, environment_python("triton", tell))
    return _mlserver(name, told, place, environment_python("mlserver", tell))


def start_ours(model: Path, folder: Path, cache: Path) -> Server:
    """This project's server on `folder/models`, where `model` lies first."""
    (folder / "models").mkdir()
    shutil.copy(model, folder / "models")
    command = [sys.executable, "-m", "launch.cli", "serve", f"--models={folder / 'models' / '*'}{model.suffix}"]
    command += [f"--name={MODEL}", "--host=127.0.0.1", "--grpc-port=0", "--http-port=0", f"--model-cache={cache}"]
    root = str(Path(__file__).parents[2])
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONPATH": root}
    return Server(OURS, command, folder, None, dict.fromkeys(KINDS, MODEL), environment=environment)


def _mlserver(name: str, told: Path, folder: Path, python: Path) -> Server:
    ports = [_free_port() for _ in range(3)]
    settings = dict(zip(("grpc_port", "http_port", "metrics_port"), ports, strict=True))
    settings["parallel_workers"] = cores() if name == MLSERVER_WORKERS else 0
    (folder / "settings.json").write_text(json.dumps(_MLSERVER | settings))
    model = {"name": MODEL, "implementation": "mlserver_runtime.Classification", "parameters": {"uri": str(told)}}
    (folder / "model-settings.json").write_text(json.dumps(model | (_BATCHING if name == MLSERVER_BATCHING else {})))
    command = [str(python.parent / "mlserver"), "start", str(folder)]
    return Server(name, command, folder, ports[0], dict.fromkeys(KINDS, MODEL))


def _triton(told: Path, folder: Path, python: Path) -> Server:
    ports = [_free_port(), _free_port()]
    models: dict[Kind, str] = {"JPEG": "images", "tensor": "tensor"}
    command = [str(python), "triton_server.py", str(told), *map(str, ports)]
    # The backend's own stub is linked to a shared library of Python, and must find the one that these modules are of.
    library = os.pathsep.join(filter(None, (sysconfig.get_config_var("LIBDIR"), os.environ.get("LD_LIBRARY_PATH"))))
    return Server(TRITON, command, folder, ports[0], models, (1, 1), {"LD_LIBRARY_PATH": library})


def _told(subject: Subject) -> dict[str, Any]:
    manifest = subject.artefact.manifest
    return {
        "model": str(subject.artefact.folder / OPENVINO_FILE),
        "side": manifest.card.input.height,
        "scale": manifest.card.input.scale,
        "threads": cores(),
        "run": images_of_a_run(RUN_BYTES, manifest, None),
    }


def _asked(channel: grpc.Channel, method: str, name: str, model: str) -> Any:
    request = message(f"inference.{name}Request")(name=model)
    response = message(f"inference.{name}Response")
    call = channel.unary_unary(method, lambda asked: asked.SerializeToString(), response.FromString)
    return call(request, timeout=5.0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
