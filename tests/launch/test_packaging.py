from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with this project's sdist and wheel, built from a copy of what git tracks."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name in names:
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "setup.py", "--quiet", "sdist", "--dist-dir", str(out)]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(out), "."]
    subprocess.run(wheel, cwd=source, check=True, capture_output=True)
    return out


def run_installed(built: Path, tmp_path: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command outside the checkout, against the unpacked wheel alone."""
    (wheel,) = built.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    environment = os.environ | {"PYTHONPATH": str(site)}
    return subprocess.run(
        [sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )


def test_the_wheel_runs_outside_the_checkout(built: Path, tmp_path: Path) -> None:
    where = "import beam_pipeline.pipeline, launch.local, models, transforms; print(models.__file__)"
    done = run_installed(built, tmp_path, "-c", where)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path))


def test_the_wheel_leaves_tests_and_benchmarks_behind(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        folders = {name.split("/")[0] for name in archive.namelist() if ".dist-info" not in name}

    assert folders == {"beam_pipeline", "launch", "models", "transforms"}


def test_the_sdist_holds_what_a_build_needs(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {"setup.py", "README.md", "LICENSE", "models/live.py", "launch/demo/digits.py"} <= names


def test_models_can_be_imported_without_beam_a_cloud_client_or_tensorflow() -> None:
    program = (
        "import sys, pkgutil, importlib, models\n"
        "for absent in ('apache_beam', 'google', 'tensorflow', 'keras', 'typer', 'rich', 'requests'):\n"
        "    sys.modules[absent] = None\n"
        "for module in pkgutil.walk_packages(models.__path__, 'models.'):\n"
        "    importlib.import_module(module.name)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_an_edge_device_runs_live_models_with_numpy_pillow_and_onnx_runtime_alone() -> None:
    program = (
        "import sys\n"
        "for absent in ('apache_beam', 'google', 'tensorflow', 'keras', 'onnx', 'h5py', 'psutil', 'rich', 'typer'):\n"
        "    sys.modules[absent] = None\n"
        "import models.live, models.images.decoding, models.prediction, models.engines.onnx_engine, models.storage\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
