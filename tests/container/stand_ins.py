"""Stand-ins for the images that the container begins with, made of Debian's packages and of Beam's Go module.

Each has what the Dockerfile takes of the image whose name it bears: Python 3.11 with pip on Debian bookworm, Beam's
`boot`, and a launcher of templates. The first is Debian's Python, which is built otherwise than Docker's, but installs
and runs the same wheels; the second is Beam's own program; the third only starts what Google's would start.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from launch import prism
from launch.command_line import CommandFailed, CommandRefused
from launch.printing import say
from tests.container.buildah import Buildah

RELEASE = "bookworm"
_PACKAGES = "ca-certificates,python3,python3-pip,python3-venv,python-is-python3"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_PIP = Path("/etc/pip.conf")
_BOOT = "github.com/apache/beam/sdks/v2/python/container"
_LAUNCHER = '#!/bin/sh\nexec python "$FLEX_TEMPLATE_PYTHON_PY_FILE" "$@"\n'
_SECONDS = 1800


def make(buildah: Buildah, image: str) -> None:
    """Makes the stand-in for an image, unless it is there.

    Raises:
        CommandRefused: what makes it is not installed, or there is none for this image.
        CommandFailed: it could not be made.
    """
    if buildah.has(_full_name(image)):
        return
    fill, settings = recipe(image)
    say(f"== making a stand-in for {image}: a minute, once")
    # Not where temporary files go: that may be memory, or forbid devices.
    with tempfile.TemporaryDirectory(prefix="root-", dir=buildah.log.parent) as folder:
        root = Path(folder)
        root.chmod(0o755)
        fill(root)
        buildah.image_of(root, _full_name(image), settings)


def _full_name(image: str) -> str:
    """With the registry that a name without one is looked for in."""
    first, _, rest = image.partition("/")
    if not rest:
        return f"docker.io/library/{image}"
    return image if "." in first else f"docker.io/{image}"


def recipe(image: str) -> tuple[Callable[[Path], None], list[str]]:
    name, _, version = image.rpartition(":")
    if name == "python":
        return _debian_with_python, ["--env=PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"]
    if name.startswith("apache/beam_python"):
        return lambda root: _beam(root, version), []
    if name.endswith("-template-launcher-base"):
        return _launcher, []
    raise CommandRefused(f"there is no stand-in for the image {image}")


def _debian_with_python(root: Path) -> None:
    """Debian with the Python that it has, into which pip may install, as it may in Docker's."""
    # In the folder itself: pip, and what it is told of certificates and indices, are as on this machine.
    _run("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", RELEASE, str(root))
    for marker in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        marker.unlink()
    for each in (_CERTIFICATES, _PIP):
        if each.exists():
            shutil.copyfile(each, root / each.relative_to("/"))
    shutil.rmtree(root / "var/cache/apt/archives")


def _beam(root: Path, version: str) -> None:
    """The entry point of Beam's containers, of that release."""
    go = prism.go()
    if go is None:
        raise CommandRefused(
            "Go is not on the PATH; Beam's entry point is built by it, by 1.26 or newer (https://go.dev/dl)"
        )
    folder = root / "opt/apache/beam"
    folder.mkdir(parents=True)
    # Without C: it runs on any Linux. Its package is called after its folder.
    _run(str(go), "install", f"{_BOOT}@v{version}", GOBIN=str(folder), CGO_ENABLED="0")
    (folder / "container").rename(folder / "boot")


def _launcher(root: Path) -> None:
    program = root / "opt/google/dataflow/python_template_launcher"
    program.parent.mkdir(parents=True)
    program.write_text(_LAUNCHER)
    program.chmod(0o755)


def _run(*command: str, **variables: str) -> None:
    done = subprocess.run(
        command, env=os.environ | variables, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    if done.returncode:
        # debootstrap says on standard output what was wrong.
        told = (done.stderr.strip() or done.stdout.strip()).splitlines() or [f"exit code {done.returncode}"]
        raise CommandFailed(f"{Path(command[0]).name}: {told[-1]}")
