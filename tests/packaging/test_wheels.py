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

from models.components.runtimes import RUNTIMES
from tests.model_files import tiny_classifier
from tests.packaging.conftest import ROOT
from tests.packaging.environments import environment, run_outside
from tests.sample_images import encoded, mosaic

# What `models` alone is not for: each is imported as it is needed, or by the one module of its engine.
PROGRAM_OF_THE_JOB = Path(__file__).with_name("import_job.py")
OF_THE_JOB = ("apache_beam", "tensorflow", "keras", "google.cloud", "typer", "rich", "transforms", "launch")

PACKAGES = ("beam_pipeline", "databases", "fleet", "launch", "models", "serving", "studio", "transforms")
DATA_FILES = (
    "launch/dataflow/flex_template/metadata.json",
    "launch/dataflow/container/Dockerfile",
    "serving/messages/published.binpb",
    "serving/over_http/openapi.json",
    "fleet/openapi.json",
    "studio/retraining/.telemetry",
    "studio/retraining/pyproject.toml",
    "studio/retraining/conf/logging.yml",
    "studio/retraining/conf/base/catalog.yml",
    "studio/retraining/conf/base/parameters.yml",
    *(str(path.relative_to(ROOT)) for path in (ROOT / "studio/page").rglob("*") if path.is_file()),
    *(str(path.relative_to(ROOT)) for path in (ROOT / "launch/trial_report/templates").iterdir()),
)
EDGE_FILES = {"edge/hotswap-edge-agent.service", "edge/hotswap-edge-run@.service"}
IMPORTS = Path(__file__).with_name("import_models.py")
VETS_AND_ANSWERS = Path(__file__).with_name("vet_and_answer.py")


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
    done = subprocess.run(
        [sys.executable, PROGRAM_OF_THE_JOB],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert all(line.startswith(str(site)) for line in done.stdout.splitlines()), done.stdout


def test_the_wheel_of_the_job_is_its_packages_and_what_lies_in_them_beside_code(job_wheel: Path) -> None:
    modules = modules_of(*PACKAGES)

    assert names_in(job_wheel) == modules | set(DATA_FILES)


def test_the_sdist_holds_what_a_build_needs(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    needed = {"setup.py", "README.md", "LICENSE", *DATA_FILES}
    assert needed | modules_of(*PACKAGES) <= names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "edge/"))]


def test_the_wheel_of_the_edge_is_its_program_and_models(edge_wheel: Path) -> None:
    assert names_in(edge_wheel) == modules_of("edge", "models") | EDGE_FILES


def test_the_edge_needs_little_and_in_the_jobs_ranges(job_wheel: Path, edge_wheel: Path) -> None:
    stated = {each.name: each for each in map(Requirement, metadata_of(job_wheel)["Requires-Dist"])}
    needed = [Requirement(each) for each in metadata_of(edge_wheel)["Requires-Dist"]]

    always = {each.name for each in needed if each.marker is None}
    assert always == {"cryptography", "numpy", "onnxruntime", "packaging", "pillow", "psutil"}
    of_devices_alone = {"azure-iot-device"}
    assert {each.name for each in needed} - always == {"h5py", "onnx", "openvino"} | of_devices_alone
    shared = [each for each in needed if each.name not in of_devices_alone]
    assert [each for each in shared if each.specifier != stated[each.name].specifier] == []


def test_a_component_states_its_runtime_in_the_range_of_the_job(job_wheel: Path) -> None:
    stated = {each.name: each for each in map(Requirement, metadata_of(job_wheel)["Requires-Dist"])}

    assert [each for each in RUNTIMES if SpecifierSet(each.range) != stated[each.package].specifier] == []


def test_both_have_the_version_of_models_and_run_on_the_same_pythons(job_wheel: Path, edge_wheel: Path) -> None:
    [version] = re.findall(r'^VERSION = "(.+)"$', (ROOT / "models/version.py").read_text(encoding="utf-8"), re.M)
    job, edge = metadata_of(job_wheel), metadata_of(edge_wheel)

    assert job["Version"] == edge["Version"] == [version]
    [of_job], [of_edge] = job["Requires-Python"], edge["Requires-Python"]
    assert SpecifierSet(of_job) == SpecifierSet(of_edge)


@pytest.fixture(scope="module")
def vetting_python(edge_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment in which the edge's wheel and what it vets with are installed, and nothing else."""
    return environment(tmp_path_factory.mktemp("installed") / "vetting", [f"{edge_wheel}[vetting]"])


def test_each_model_module_is_importable_where_only_the_edge_is_installed(vetting_python: Path) -> None:
    [site] = vetting_python.parents[1].glob("lib/python*/site-packages")
    assert {path.name for path in site.iterdir()}.isdisjoint(OF_THE_JOB)
    done = run_outside(vetting_python, IMPORTS, "none")

    assert done.returncode == 0, done.stderr
    assert {"models.live", "models.engines.onnx_engine", "models.vetting.vetter"} <= set(done.stdout.split())


def test_a_device_vets_a_model_and_answers(vetting_python: Path, tmp_path: Path) -> None:
    tiny_classifier(tmp_path / "m.onnx", favours=2, card={"labels": ["cat", "dog", "emu"]})
    (tmp_path / "image.png").write_bytes(encoded(mosaic(20, 10), "PNG"))

    image, cache = tmp_path / "image.png", tmp_path / "cache"
    done = run_outside(vetting_python, VETS_AND_ANSWERS, tmp_path / "*.onnx", image, cache)

    assert done.returncode == 0, done.stderr
    assert done.stdout == "emu\n"


@pytest.mark.parametrize(
    ("absent", "modules"),
    [
        pytest.param(OF_THE_JOB, (), id="every module without what the job alone needs"),
        pytest.param(
            (*OF_THE_JOB, "google", "h5py", "onnx", "psutil", "requests"),
            (
                "models.live",
                "models.answering",
                "models.images.decoding",
                "models.engines.onnx_engine",
                "models.storage",
            ),
            id="answering with NumPy, Pillow and one engine",
        ),
    ],
)
def test_models_are_imported_where_other_packages_are_absent(absent: tuple[str, ...], modules: tuple[str, ...]) -> None:
    command = [sys.executable, str(IMPORTS), ",".join(absent), *modules]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "models.live" in done.stdout.split()
