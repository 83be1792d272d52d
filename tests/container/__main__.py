"""`make image-check`: builds the container as its users do, on stand-ins for its base images, and works in it."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from launch.command_line import CommandRefused, run
from launch.printing import say
from tests.container import checks, stand_ins
from tests.container.buildah import Buildah
from tests.container.dockerfile import DOCKERFILE, ROOT, base_images
from tests.sample_images import encoded, small

FOLDER = ROOT / ".image-check"
"""Stand-ins and images are kept there, so that the next call need not make them."""
TOOLS = ("buildah", "debootstrap")
USERS = ("root", "hotswap")
_CLONE_NEWNS = 0x20000
CHECKS: tuple[Callable[[checks.Inside], str], ...] = (
    checks.packages_are_found,
    checks.doctor_is_content,
    checks.a_model_is_vetted,
    checks.bundles_are_answered,
    checks.a_template_is_launched,
)


class Variant(StrEnum):
    """What the container computes with."""

    CPU = "cpu"
    GPU = "gpu"


app = typer.Typer(add_completion=False)


@app.command()
def image_check(
    variant: Annotated[Variant, typer.Option(help="of the container, as --build-arg VARIANT")] = Variant.CPU,
    folder: Annotated[Path, typer.Option(help="where stand-ins and images are kept")] = FOLDER,
) -> None:
    """Builds the container on stand-ins for its base images, and works in it as root and as its own user."""
    refuse_without_tools()
    see_mounts_alone()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="image-check-") as state:
        buildah = Buildah(folder.absolute(), Path(state))
        buildah.log.write_text("")
        buildah.tidy()
        for image in base_images((ROOT / DOCKERFILE).read_text(encoding="utf-8")):
            stand_ins.make(buildah, image)
        for user in USERS:
            image = f"localhost/hotswap:{variant}-{user}"
            say(f"== building {DOCKERFILE} with VARIANT={variant} RUN_AS={user}")
            buildah.build(DOCKERFILE, ROOT, image, {"VARIANT": variant, "RUN_AS": user})
            say(f"== working in it as {user}")
            try_out(buildah, image)
        buildah.tidy()
    say(f"== all of it works, after {time.monotonic() - started:.0f} s; {folder} keeps the images and a log")


def refuse_without_tools() -> None:
    """Does nothing where all is there.

    Raises:
        CommandRefused: a tool is not installed, or this user may not do what it does.
    """
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        raise CommandRefused(f"{' and '.join(missing)} cannot be found: apt-get install {' '.join(missing)}")
    if os.geteuid() != 0:
        raise CommandRefused("only root may make a Debian system and change into it: sudo make image-check")


def see_mounts_alone() -> None:
    """What is mounted from here on is seen by this process and its children alone, and goes with them.

    Raises:
        CommandRefused: this machine does not allow it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) != 0:
        raise CommandRefused(f"a namespace of mounts cannot be had here: {os.strerror(ctypes.get_errno())}")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


def try_out(buildah: Buildah, image: str) -> None:
    """Every check, in one container of the image.

    Raises:
        CommandFailed: one does not hold.
    """
    with buildah.container(image) as container, tempfile.TemporaryDirectory(prefix="image-check-") as folder:
        world = Path(folder)
        (world / "models").mkdir()
        (world / "image.png").write_bytes(encoded(small(), "PNG"))
        world.chmod(0o777)  # the container's user writes there
        inside = checks.Inside(buildah, container, buildah.settings(image), world)
        for check in CHECKS:
            say(f"   ok: {check(inside)}")


if __name__ == "__main__":
    sys.exit(run(app))
