"""The two distributions hold what they need, no more, and run outside the checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.packaging.conftest import ROOT

UV = Path(sys.prefix) / "bin" / "uv"
UNREACHABLE = (
    "dns error",
    "error sending request",
    "Failed to fetch",
    "Connection",
    "Network",
    "timed out",
    "NewConn",
)

# What `models` alone is not for: each is imported as it is needed, or by the one module of its engine.
OF_THE_JOB = ("apache_beam", "tensorflow", "keras", "onnx", "google.cloud", "typer", "rich", "transforms", "launch")

IMPORT_ALL_MODELS = f"""
import importlib, importlib.util, pkgutil, models
for module in pkgutil.walk_packages(models.__path__, "models."):
    if module.name != "models.engines.tensorflow_engine":
        importlib.import_module(module.name)
        print(module.name)
for name in {OF_THE_JOB}:
    try:
        found = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        found = None
    assert found is None, f"{{name}} is here"
"""


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def modules_of(*packages: str) -> set[str]:
    return {str(path.relative_to(ROOT)) for package in packages for path in (ROOT / package).rglob("*.py")}


def metadata_of(wheel: Path) -> dict[str, list[str]]:
    with zipfile.ZipFile(wheel) as archive:
        [path] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        message = Parser().parsestr(archive.read(path).decode("utf-8"))
    return {key: [str(value) for value in message.get_all(key, [])] for key in set(message.keys())}


def test_the_wheel_of_the_job_runs_outside_the_checkout(job_wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(job_wheel) as archive:
        archive.extractall(site)
    program = "import beam_pipeline.pipeline, launch.local, models, transforms; print(models.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path))


def test_the_wheel_of_the_job_is_its_four_packages_and_the_template(job_wheel: Path) -> None:
    modules = modules_of("beam_pipeline", "launch", "models", "transforms")

    assert names_in(job_wheel) == modules | {"launch/flex_template/metadata.json", "launch/container/Dockerfile"}


def test_the_sdist_holds_what_a_build_needs(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    needed = {"setup.py", "README.md", "LICENSE", "launch/flex_template/metadata.json", "launch/container/Dockerfile"}
    assert needed | modules_of("beam_pipeline", "launch", "models", "transforms") <= names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "edge/"))]


def test_the_wheel_of_the_edge_is_models_alone(edge_wheel: Path) -> None:
    assert names_in(edge_wheel) == modules_of("models")


def test_the_edge_needs_little_and_in_the_jobs_ranges(job_wheel: Path, edge_wheel: Path) -> None:
    stated = {each.name: each for each in map(Requirement, metadata_of(job_wheel)["Requires-Dist"])}
    needed = [Requirement(each) for each in metadata_of(edge_wheel)["Requires-Dist"]]

    assert {each.name for each in needed} == {"h5py", "numpy", "onnxruntime", "pillow", "psutil"}
    assert [each for each in needed if each.specifier != stated[each.name].specifier] == []


def test_both_have_the_version_of_models_and_run_on_the_same_pythons(job_wheel: Path, edge_wheel: Path) -> None:
    [version] = re.findall(r'^VERSION = "(.+)"$', (ROOT / "models/version.py").read_text(encoding="utf-8"), re.M)
    job, edge = metadata_of(job_wheel), metadata_of(edge_wheel)

    assert job["Version"] == edge["Version"] == [version]
    assert SpecifierSet(*job["Requires-Python"]) == SpecifierSet(*edge["Requires-Python"])


def test_each_model_module_is_importable_where_only_the_edge_is_installed(edge_wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "edge"
    python = place / "bin" / "python"
    if UV.is_file():
        make = [[str(UV), "venv", "--quiet", "--python", sys.executable, str(place)]]
        make += [[str(UV), "pip", "install", "--quiet", "--python", str(python), str(edge_wheel)]]
    else:
        make = [[sys.executable, "-m", "venv", str(place)]]
        make += [[str(python), "-m", "pip", "install", "--quiet", "--retries=1", str(edge_wheel)]]
    for command in make:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        if done.returncode and any(sign in done.stderr for sign in UNREACHABLE):
            pytest.skip("the package registry cannot be reached")
        assert done.returncode == 0, done.stderr

    done = subprocess.run([str(python), "-c", IMPORT_ALL_MODELS], cwd=tmp_path, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert {"models.live", "models.engines.onnx_engine", "models.vetting.vetter"} <= set(done.stdout.split())


def test_models_can_be_imported_without_beam_a_cloud_client_or_tensorflow() -> None:
    program = (
        "import sys, pkgutil, importlib, models\n"
        "for module in pkgutil.walk_packages(models.__path__, 'models.'):\n"
        "    if 'tensorflow_engine' not in module.name: importlib.import_module(module.name)\n"
        "heavy = {'apache_beam', 'google.cloud.storage', 'google.cloud.pubsub', 'tensorflow', 'keras'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_an_edge_device_runs_live_models_with_numpy_pillow_and_onnx_runtime_alone() -> None:
    program = (
        "import sys\n"
        "for absent in ('apache_beam', 'google', 'tensorflow', 'keras', 'onnx', 'h5py', 'psutil', 'rich', 'typer'):\n"
        "    sys.modules[absent] = None\n"
        "import models.live, models.image_decoding, models.prediction, models.engines.onnx_engine, models.storage\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
