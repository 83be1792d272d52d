"""A server's installation, in an environment of its own: neither Beam nor TensorFlow, and it vets, serves and asks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from launch.doctor.installation import LEFT_OUT
from tests.launch.tiny_models import tiny_keras
from tests.model_files import tiny_classifier
from tests.packaging.conftest import ROOT
from tests.packaging.environments import environment, run_outside
from tests.waiting import eventually

PINS = ROOT / "launch/container/serving-requirements.txt"


@pytest.fixture(scope="module")
def lean(job_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that is made as the image of the server is."""
    place = tmp_path_factory.mktemp("installed") / "serving"
    python = environment(place, ["-r", str(PINS)], ["--no-deps", str(job_wheel)])
    [site] = place.glob("lib/python*/site-packages")
    assert {path.name for path in site.iterdir()}.isdisjoint(name.replace("-", "_") for name in LEFT_OUT)
    return python


def hotswap(python: Path, *arguments: str | Path, cache: Path) -> subprocess.CompletedProcess[str]:
    return run_outside(python, "-m", "launch.cli", *arguments, HOTSWAP_CACHE=str(cache))


def test_a_model_is_vetted_and_listed(lean: Path, tmp_path: Path) -> None:
    tiny_classifier(tmp_path / "m.onnx", favours=2, card={"labels": ["cat", "dog", "emu"]})

    told = json.loads(hotswap(lean, "vet", tmp_path / "m.onnx", "--json", cache=tmp_path / "cache").stdout)
    listed = json.loads(hotswap(lean, "models", tmp_path / "*.onnx", "--json", cache=tmp_path / "cache").stdout)

    assert told["verdict"] == "accepted"
    assert [each["state"] for each in listed] == ["live"]


def test_a_keras_file_is_no_verdict_but_a_line_that_says_what_to_do(lean: Path, tmp_path: Path) -> None:
    tiny_keras(tmp_path / "k.h5")
    done = hotswap(lean, "vet", tmp_path / "k.h5", cache=tmp_path / "cache")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("error: it is a Keras file, and TensorFlow is not installed here; ")


def test_the_doctor_knows_a_server_when_he_sees_one(lean: Path, tmp_path: Path) -> None:
    done = hotswap(lean, "doctor", cache=tmp_path / "cache")

    assert done.returncode == 0, done.stdout
    assert "a server's installation" in done.stdout
    assert "vetting works" in done.stdout
    assert "keras" not in done.stdout.replace("no Keras file", "").lower()


@pytest.mark.parametrize("verb", ["local", "dataflow"])
def test_what_needs_the_job_says_so_in_one_line(verb: str, lean: Path, tmp_path: Path) -> None:
    done = hotswap(lean, verb, cache=tmp_path / "cache")

    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"error: hotswap {verb} needs the package apache_beam; `hotswap doctor` says what to do"
    ]


@contextmanager
def serving(python: Path, pattern: Path, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A server that is begun, and the file that has what it writes."""
    told = folder / "told.txt"
    command = [str(python), "-m", "launch.cli", "serve", "--models", str(pattern), "--grpc-port=0", "--http-port=0"]
    given = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    given["HOTSWAP_CACHE"] = str(folder / "cache")
    with told.open("wb") as log, subprocess.Popen(command, cwd=folder, env=given, stderr=log) as server:
        try:
            yield server, told
        finally:
            server.kill()


def test_a_server_becomes_ready_says_so_to_whoever_asks_and_ends_in_order(lean: Path, tmp_path: Path) -> None:
    tiny_classifier(tmp_path / "m.onnx", favours=1, card={"labels": ["cat", "dog", "emu"]})
    with serving(lean, tmp_path / "*.onnx", tmp_path) as (server, told):

        def ready() -> str:
            lines = [line for line in told.read_text().splitlines() if line.startswith("ready: ")]
            return lines[0] if lines else ""

        eventually(lambda: ready() or server.poll() is not None, "a server that is ready")
        port = ready().partition(" http=")[2].partition(" ")[0].rpartition(":")[2]
        assert [run_outside(lean, "-m", "launch.health", what, port).returncode for what in ("live", "ready")] == [0, 0]
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0, told.read_text()
    assert run_outside(lean, "-m", "launch.health", "live", port).returncode == 1
