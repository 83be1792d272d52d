"""`hotswap doctor`: what a machine needs to run this project, checked one by one, each with its remedy."""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.metadata
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Literal

import psutil
import typer
from packaging.requirements import Requirement
from rich.console import Console
from rich.markup import escape

from launch.code_version import DISTRIBUTION, ROOT, setup_file
from launch.command_line import FAILED, OK
from launch.model_report import working
from models.errors import ModelRejected, one_line
from models.registry.cache import ArtefactCache, default_cache_folder
from models.storage import LocalStorage
from models.vetting import Vetter

app = typer.Typer(add_completion=False)

Level = Literal["ok", "warn", "fail"]
_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}

OLDEST_PYTHON = (3, 11)
IMPORT_SECONDS = 120.0
REACH_SECONDS = 2.0
OURS = ("models", "transforms", "beam_pipeline", "launch")
"""The packages at this project's top."""
_RENAME = "rename it, or call `hotswap` from another folder and without PYTHONPATH"
DISK_NEEDED, DISK_WANTED = 200 << 20, 2 << 30
MEMORY_WANTED = 3 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: `remedy` says what to do where it is not `ok`."""

    level: Level
    what: str
    remedy: str = ""


Check = Callable[[], Iterator[Finding]]


@app.command()
def doctor() -> int:
    """Checks what this machine needs: packages, vetting, cache, disk, credentials, emulators."""
    console, stderr = Console(), Console(stderr=True)
    failed = False
    for title, check in CHECKS.items():
        with working(stderr, f"checking {title}") if stderr.is_terminal else contextlib.nullcontext():
            findings = list(check())
        for finding in findings:
            failed |= finding.level == "fail"
            remedy = f" → {finding.remedy}" if finding.remedy else ""
            line = f"[{_STYLES[finding.level]}]{finding.level:<5}[/]{escape(finding.what + remedy)}"
            console.print(line, highlight=False, soft_wrap=True)
    return FAILED if failed else OK


def python_version() -> Iterator[Finding]:
    """The interpreter."""
    shown = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        yield Finding("fail", f"Python {shown}", "install Python 3.11 or newer, then run `make demo`")
    else:
        yield Finding("ok", f"Python {shown} at {sys.executable}")


def packages() -> Iterator[Finding]:
    """The installed versions against the ranges that this project states."""
    required = requirements()
    if not required:
        yield Finding("warn", "the project states no requirements here", "install it: pip install .")
        return
    wrong = []
    for requirement in required:
        try:
            installed = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(Finding("fail", f"{requirement.name} is not installed", f"pip install '{requirement}'"))
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            wrong.append(
                Finding("fail", f"{requirement.name} is {installed}", f"pip install '{requirement}' (supported range)")
            )
    yield from wrong or [Finding("ok", f"{len(required)} packages, all in their supported ranges")]


def names() -> Iterator[Finding]:
    """Whether modules of the user's own are called as this project's are, where Python would look for them first."""
    hidden = False
    for name in OURS:
        imported = importlib.import_module(name).__file__
        if imported and not Path(imported).is_relative_to(ROOT):
            hidden = True
            yield Finding("fail", f"{name} is not this project's but {imported}", _RENAME)
    for place, looked_at in _first_places():
        for name in OURS:
            found = PathFinder.find_spec(name, [str(place)])
            if found is None or found.origin is None:  # a folder without __init__.py hides nothing
                continue
            if not Path(found.origin).is_relative_to(ROOT):
                hidden = True
                yield Finding("warn", f"{found.origin} hides this project's {name} from {looked_at}", _RENAME)
    if not hidden:
        yield Finding("ok", "no module here hides this project's")


def _first_places() -> Iterator[tuple[Path, str]]:
    """Where Python looks before it looks at what is installed, and when it does."""
    yield Path.cwd(), "`python -m` in this folder"
    for entry in filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)):
        if Path(entry).resolve() != Path.cwd():
            yield Path(entry).resolve(), "every Python, by PYTHONPATH"


def requirements() -> list[Requirement]:
    """What this project needs, from its metadata where it is installed, else from the checkout's `setup.py`."""
    try:
        stated = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        stated = _stated_in_setup(setup_file())
    found = [Requirement(text) for text in stated]
    return [each for each in found if each.marker is None or each.marker.evaluate({"extra": ""})]


def _stated_in_setup(path: Path | None) -> list[str]:
    if path is None:
        return []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == "install_requires":
            return [str(each) for each in ast.literal_eval(node.value)]
    return []


def vetting() -> Iterator[Finding]:
    """The whole way of a model: Keras saves a tiny one, a child process vets and compiles it."""
    with tempfile.TemporaryDirectory(prefix="hotswap-doctor-") as folder:
        model = Path(folder) / "tiny.h5"
        trouble = trouble_in("-m", "launch.saved_by_keras", str(model))
        if trouble:
            yield Finding("fail", f"Keras with TensorFlow: {trouble}", "pip install --force-reinstall tensorflow keras")
            return
        yield Finding("ok", "Keras with TensorFlow makes a model")
        vetter = Vetter(LocalStorage(), ArtefactCache(Path(folder) / "cache"), largest_batch=2)
        try:
            manifest = vetter.vet(str(model)).artefact.manifest
        except ModelRejected as rejection:
            remedy = "free memory, or look whether a security policy forbids child processes"
            yield Finding("fail", f"vetting rejects a good model: {rejection}", remedy)
            return
        finally:
            vetter.close()
    if manifest.engine == "onnx":
        yield Finding("ok", f"vetting works: {manifest.seconds:.1f} s for a tiny model, served by ONNX Runtime")
    else:
        remedy = "models are served by TensorFlow, more slowly; pip install --force-reinstall onnxruntime tf2onnx"
        yield Finding("warn", f"vetting works, but not with ONNX Runtime: {manifest.engine_reason}", remedy)


def onnx_runtime() -> Iterator[Finding]:
    """Whether ONNX Runtime can be imported: a broken build ends the process, hence the child."""
    if trouble := trouble_in("-c", "import onnxruntime"):
        yield Finding("fail", f"ONNX Runtime: {trouble}", "pip install --force-reinstall onnxruntime")
    else:
        yield Finding("ok", "ONNX Runtime can be imported")


def trouble_in(*arguments: str) -> str:
    """What went wrong in a Python process with these arguments, in one line; "" if nothing did."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    try:
        done = subprocess.run(
            [sys.executable, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=IMPORT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {IMPORT_SECONDS:.0f} s"
    lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    return one_line(lines[-1]) if done.returncode else ""


def cache() -> Iterator[Finding]:
    """Where compiled models are kept, and the room there."""
    folder = default_cache_folder()
    try:
        ArtefactCache(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        remedy = "set HOTSWAP_CACHE to a folder that can be written"
        yield Finding("fail", f"the cache {folder} cannot be written: {error.strerror or error}", remedy)
        return
    free = shutil.disk_usage(folder).free
    level: Level = "ok" if free >= DISK_WANTED else "warn" if free >= DISK_NEEDED else "fail"
    remedy = "" if level == "ok" else "free some disk, or set HOTSWAP_CACHE to a folder on another one"
    yield Finding(level, f"cache of compiled models {folder}, {free / 2**30:.1f} GiB free", remedy)


def memory() -> Iterator[Finding]:
    """Room for the job and for vetting beside it."""
    available = psutil.virtual_memory().available
    what = f"{available / 2**30:.1f} GiB of memory available"
    if available >= MEMORY_WANTED:
        yield Finding("ok", what)
    else:
        yield Finding("warn", what, f"{MEMORY_WANTED >> 30} GiB are comfortable; large models may be rejected")


def credentials() -> Iterator[Finding]:
    """Google credentials: needed for real buckets and topics, and for nothing else."""
    from models.storage.credentials import HOW_TO_GET_CREDENTIALS, find_credentials

    try:
        found = find_credentials()
    except Exception as error:  # a damaged key file; google-auth raises what it likes
        yield Finding("fail", f"Google credentials: {one_line(error)}", HOW_TO_GET_CREDENTIALS)
        return
    if found is not None:
        yield Finding("ok", "Google credentials found")
    else:
        yield Finding(
            "warn", "no Google credentials; only gs://, Pub/Sub and Dataflow need them", HOW_TO_GET_CREDENTIALS
        )


def emulators() -> Iterator[Finding]:
    """The emulators that the environment names."""
    remedies = {
        "PUBSUB_EMULATOR_HOST": "start it (python -m launch.pubsub_emulator), or unset the variable",
        "STORAGE_EMULATOR_HOST": "start it, or unset the variable",
    }
    for variable, remedy in remedies.items():
        if value := os.environ.get(variable):
            if trouble := _unreachable(value):
                yield Finding("fail", f"{variable}={value} cannot be reached: {trouble}", remedy)
            else:
                yield Finding("ok", f"{variable}={value} answers")


def _unreachable(address: str) -> str:
    """Why nothing answers at `[http://]HOST:PORT`; "" if something does."""
    host, _, port = address.rpartition("://")[2].rstrip("/").rpartition(":")
    if not host or not port.isdigit():
        return "HOST:PORT is expected"
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH_SECONDS).close()
    except (OSError, OverflowError) as error:
        return one_line(getattr(error, "strerror", None) or error)
    return ""


def optional_tools() -> Iterator[Finding]:
    """What only some tests and launches use."""
    for tool, use in (("go", "to build Prism, Beam's local portable runner"), ("docker", "to build the container")):
        place = shutil.which(tool)
        yield Finding("ok", f"{tool} at {place}" if place else f"{tool} is not installed; only needed {use}")


CHECKS: dict[str, Check] = {
    "Python": python_version,
    "packages": packages,
    "names": names,
    "ONNX Runtime": onnx_runtime,
    "vetting": vetting,
    "the cache": cache,
    "memory": memory,
    "credentials": credentials,
    "emulators": emulators,
    "optional tools": optional_tools,
}
