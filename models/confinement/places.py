"""What a confined process may read: this interpreter, its packages, shared libraries, what describes the machine."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[2]
"""The folder that `models` lies in."""

_MACHINE = (
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/meminfo",
    "/proc/self",
    "/proc/stat",
    "/proc/sys/vm",
    "/proc/version",
    "/sys/devices/system",
    "/sys/fs/cgroup",
    "/usr/share/zoneinfo",
)
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/cuda")
_ALWAYS = ("/proc/self/clear_refs", "/dev/full", "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero")
_GPU = (
    "/proc/devices",
    "/proc/driver/nvidia",
    "/proc/modules",
    "/sys/bus/pci",
    "/sys/class",
    "/sys/devices",
    "/sys/module",
)


def readable() -> Iterator[Path]:
    """What a vetting child or a host reads besides what it works on."""
    yield PROJECT / "models"
    yield from map(Path, (sys.prefix, sys.base_prefix, sys.exec_prefix) if _is_its_own(sys.prefix) else ())
    yield from map(Path, (sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")))
    yield from map(Path, [*site.getsitepackages(), site.getusersitepackages()])
    yield from packages()
    yield from map(Path, _LIBRARIES + _MACHINE)
    yield from map(Path, filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)))
    yield from _folders_of_loaded_libraries()
    if gpus():
        yield from map(Path, _GPU)


def packages() -> Iterator[Path]:
    """Where this process finds packages that were installed, in that order; not what lies in folders of the user's."""
    return (Path(entry) for entry in sys.path if entry and _holds_packages(Path(entry)))


def usable() -> Iterator[Path]:
    """The devices that it may use, and where it forgets how much memory it has held."""
    yield from map(Path, _ALWAYS)
    if devices := gpus():
        yield from devices
        yield Path("/proc/self/task")  # the driver names its threads, and does not begin where it cannot


def gpus() -> list[Path]:
    """The devices of NVIDIA's driver."""
    return [*Path("/dev").glob("nvidia*"), *Path("/dev").glob("nvidia-caps/*")]


def _is_its_own(prefix: str) -> bool:
    """Whether it is a folder for Python alone, as a virtual environment is, and not `/usr` or a home."""
    return (Path(prefix) / "pyvenv.cfg").exists() or (Path(prefix) / "conda-meta").exists()


def _holds_packages(folder: Path) -> bool:
    """Whether packages were installed there, as `pip install --target` does too."""
    return folder.suffix == ".zip" or next(folder.glob("*.dist-info"), None) is not None


def _folders_of_loaded_libraries() -> set[Path]:
    mapped = Path("/proc/self/maps")
    lines = mapped.read_text(errors="replace").splitlines() if mapped.exists() else []
    paths = (line.partition("/")[2] for line in lines)
    return {Path("/" + path).parent for path in paths if ".so" in path}
