"""A device in an environment of its own: what `hotswap package` made runs there, in little room."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from pathlib import Path

import psutil
import pytest

from launch.cli import app
from launch.command_line import run
from tests.edge.agents import DeviceFiles
from tests.edge.fleet_server import FleetServer
from tests.model_files import tiny_classifier
from tests.packaging.environments import environment
from tests.packaging.test_wheels import OF_THE_JOB
from tests.sample_images import encoded, mosaic
from tests.waiting import eventually

MIB = 1 << 20
MOST_INSTALLED = 250 * MIB
MOST_IDLE = 150 * MIB
MOST_IDLE_AGENT = 60 * MIB


@pytest.fixture(scope="module")
def edge_python(edge_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment in which the edge's wheel and what it needs are installed, and nothing else."""
    return environment(tmp_path_factory.mktemp("installed") / "edge", [str(edge_wheel)])


@pytest.fixture
def component(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As a user makes it."""
    monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / "cache"))
    model = tiny_classifier(tmp_path / "animals.onnx", favours=2, card={"labels": ["cat", "dog", "emu"]})
    assert run(app, ["package", str(model), str(tmp_path / "shelf"), "--version", "1.0.0"]) == 0
    return tmp_path / "shelf/animals/1.0.0/animals-1.0.0-linux-x86_64.zip"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "image.png").write_bytes(encoded(mosaic(20, 10), "PNG"))
    return folder


def on_device(python: Path, component: Path, images: Path, *more: str) -> list[str]:
    """The command as a device has it."""
    command = [python.with_name("hotswap-edge"), "run", "--component", component, "--images", images, *more]
    return [str(word) for word in command]


def variables(tmp_path: Path) -> dict[str, str]:
    """The environment of a device, without this checkout."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return kept | {"HOTSWAP_CACHE": str(tmp_path / "device")}


def test_a_component_runs_where_only_the_edge_is_installed(
    edge_python: Path, component: Path, images: Path, tmp_path: Path
) -> None:
    [site] = edge_python.parents[1].glob("lib/python*/site-packages")
    installed = {path.name for path in site.iterdir()}
    assert installed.isdisjoint({*OF_THE_JOB, "h5py", "onnx", "model_signing", "openvino"})

    done = subprocess.run(
        on_device(edge_python, component, images, "--interval", "0", "--output", str(tmp_path / "out.jsonl")),
        cwd=tmp_path,
        env=variables(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout == "Prediction result of image.png: emu\n"
    [record] = (tmp_path / "out.jsonl").read_text().splitlines()
    with zipfile.ZipFile(component) as packed:
        assert json.loads(record)["model_id"] == json.loads(packed.read("manifest.json"))["model_id"]


def test_what_is_installed_takes_little_room(edge_python: Path) -> None:
    files = [path for path in edge_python.parents[1].rglob("*") if path.is_file() and not path.is_symlink()]

    assert sum(path.stat().st_size for path in files) <= MOST_INSTALLED


def test_an_idle_device_takes_little_memory(edge_python: Path, component: Path, images: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    command = on_device(edge_python, component, images, "--interval", "0.5", "--output", str(output))
    with subprocess.Popen(
        command, cwd=tmp_path, env=variables(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            eventually(lambda: output.exists() and output.read_text(), "a result")
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            taken = sum(each.memory_full_info().pss for each in family)
        finally:
            process.terminate()
            process.wait(60)

    assert len(family) == 2, "itself, and the process of its model"
    assert taken <= MOST_IDLE, f"{taken / MIB:.0f} MiB"


def test_an_idle_agent_takes_little_memory(edge_python: Path, component: Path, tmp_path: Path) -> None:
    device = DeviceFiles(tmp_path / "on-device")
    with FleetServer() as server:
        server.desire(component)
        command = [str(edge_python.with_name("hotswap-edge")), *device.command(server.url, "--every", "0.5")]
        with subprocess.Popen(
            command, cwd=tmp_path, env=variables(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                eventually(lambda: server.state_of("1.0.0") == "trial", "what is desired")
                polls = server.answers["GET 304"]
                eventually(lambda: server.answers["GET 304"] > polls, "a poll that changes nothing")
                agent = psutil.Process(process.pid)
                assert agent.children(recursive=True) == []
                taken = agent.memory_full_info().pss
            finally:
                process.terminate()
                process.wait(60)

    assert process.returncode == 0
    assert taken <= MOST_IDLE_AGENT, f"{taken / MIB:.0f} MiB"
