"""The pinned versions are in the stated ranges, for each supported Python, and are what `make lock` writes."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from launch.doctor.installation import LEFT_OUT
from tests.packaging.conftest import ROOT, copy_of_the_tree
from tests.packaging.environments import UNREACHABLE, UV

SERVING = "launch/container/serving-requirements.txt"
FILES = ("requirements.txt", "tests/requirements.txt", SERVING)
PYTHONS = ("3.11", "3.12", "3.13")


def pins(path: str, python: str) -> dict[str, str]:
    """Each package's version on Linux with this Python."""
    here = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux", "extra": ""}
    lines = [line for line in (ROOT / path).read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    found: dict[str, str] = {}
    for pin in map(Requirement, lines):
        if pin.marker is None or pin.marker.evaluate(here):
            [exactly] = pin.specifier
            assert exactly.operator == "=="
            assert found.setdefault(canonicalize_name(pin.name), exactly.version) == exactly.version
    return found


def stated_in_setup() -> dict[str, list[Requirement]]:
    """The ranges of `setup.py`: `""` holds the job's own, the others those of the extras."""
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    lists = {node.arg: node.value for node in ast.walk(tree) if isinstance(node, ast.keyword)}
    stated = {"": ast.literal_eval(lists["install_requires"])} | ast.literal_eval(lists["extras_require"])
    return {extra: [Requirement(each) for each in ranges] for extra, ranges in stated.items()}


@pytest.mark.parametrize("python", PYTHONS)
def test_each_range_of_setup_holds_its_pin(python: str) -> None:
    for path, extras in (("requirements.txt", [""]), ("tests/requirements.txt", ["", "demo", "bench"])):
        pinned = pins(path, python)
        for stated in (each for extra in extras for each in stated_in_setup()[extra]):
            assert stated.specifier.contains(pinned[stated.name]), f"{stated} is {pinned[stated.name]} in {path}"


@pytest.mark.parametrize("python", PYTHONS)
def test_the_checks_run_with_the_versions_of_the_job(python: str) -> None:
    assert pins("requirements.txt", python).items() <= pins("tests/requirements.txt", python).items()


@pytest.mark.parametrize("python", PYTHONS)
def test_a_server_runs_with_the_versions_of_the_job_and_without_what_it_leaves_out(python: str) -> None:
    written = (ROOT / "launch/container/left-out.in").read_text(encoding="utf-8").splitlines()
    left_out = [Requirement(line) for line in written if not line.startswith("#")]
    pinned = pins(SERVING, python)

    assert tuple(each.name for each in left_out) == LEFT_OUT
    assert pinned.items() < pins("requirements.txt", python).items()
    assert pinned.keys() & {*LEFT_OUT, "pyarrow", "libclang", "pymongo"} == set()
    assert {each.name for each in stated_in_setup()[""]} - set(LEFT_OUT) <= pinned.keys()


def test_the_job_needs_neither_the_demo_nor_the_tools() -> None:
    assert {"scikit-learn", "matplotlib", "pytest", "ruff"}.isdisjoint(pins("requirements.txt", "3.11"))


def test_what_matters_most_can_be_read_in_the_pins() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    shown = {line.partition("==")[0] for line in lines}

    assert {"apache-beam[gcp]", "tensorflow", "pillow", "numpy", "google-cloud-pubsub", "google-cloud-storage"} <= shown


@pytest.mark.parametrize("path", [*FILES, "tests/requirements.in"])
def test_the_pins_name_no_host_and_no_folder(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")

    assert re.findall(r"^\s*-.*|.*://.*|.*@ .*|.*(?:^|\s)/\w.*", text, re.M) == []


def test_the_makefile_knows_the_pythons_of_the_pins() -> None:
    [pythons] = re.findall(r"^PYTHONS := (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)

    assert tuple(pythons.split()) == PYTHONS


def test_locking_again_changes_nothing(tmp_path: Path) -> None:
    if not UV.is_file() or not shutil.which("make"):
        pytest.skip("needs make, and uv in this environment")
    copy_of_the_tree(tmp_path)
    done = subprocess.run(["make", "lock", f"UV={UV}"], cwd=tmp_path, capture_output=True, text=True, check=False)
    if done.returncode and any(sign in done.stderr for sign in UNREACHABLE):
        pytest.skip("the package registry cannot be reached")

    assert done.returncode == 0, done.stderr
    for path in FILES:
        assert (tmp_path / path).read_text() == (ROOT / path).read_text(), f"{path} is stale: make lock"
