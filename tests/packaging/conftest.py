"""The wheels of the job and of the edge, built once from a copy of what git tracks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def copy_of_the_tree(folder: Path) -> None:
    """Every file that git tracks or would track: what earlier builds left behind stays out."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for name in names:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the job's sdist and wheel, and the edge's wheel."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    copy_of_the_tree(source)
    build = [sys.executable, "setup.py", "--quiet", "sdist", "--dist-dir", str(out)]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    wheels = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(out)]
    subprocess.run([*wheels, ".", "./edge"], cwd=source, check=True, capture_output=True)
    return out


@pytest.fixture(scope="session")
def job_wheel(built: Path) -> Path:
    """`hotswap-inference`, as a wheel."""
    (wheel,) = built.glob("hotswap_inference-*.whl")
    return wheel


@pytest.fixture(scope="session")
def edge_wheel(built: Path) -> Path:
    """`hotswap-edge`, as a wheel."""
    (wheel,) = built.glob("hotswap_edge-*.whl")
    return wheel
