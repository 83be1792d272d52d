"""The wheels of the job and of the edge, built once from a copy of what git tracks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
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


@pytest.fixture(scope="session")
def edge_python(edge_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment in which the edge's wheel and what it needs are installed, and nothing else."""
    return environment_of(str(edge_wheel), tmp_path_factory.mktemp("installed") / "edge")


@pytest.fixture(scope="session")
def vetting_python(edge_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of a device that vets models itself."""
    return environment_of(f"{edge_wheel}[vetting]", tmp_path_factory.mktemp("installed") / "vetting")


def environment_of(requirement: str, place: Path) -> Path:
    """The Python of a new environment, in which one distribution is installed with what it needs."""
    python = place / "bin" / "python"
    if UV.is_file():
        make = [[str(UV), "venv", "--quiet", "--python", sys.executable, str(place)]]
        install = [str(UV), "pip", "install", "--quiet", "--compile-bytecode", "--link-mode=copy", "--python"]
        make += [[*install, str(python), requirement]]
    else:
        make = [[sys.executable, "-m", "venv", str(place)]]
        make += [[str(python), "-m", "pip", "install", "--quiet", "--retries=1", requirement]]
    for command in make:
        done = subprocess.run(command, cwd=place.parent, capture_output=True, text=True, check=False)
        if done.returncode and any(sign in done.stderr for sign in UNREACHABLE):
            pytest.skip("the package registry cannot be reached")
        assert done.returncode == 0, done.stderr
    return python
