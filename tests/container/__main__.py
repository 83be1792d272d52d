"""`make image-check`: builds a container as its users do, on stand-ins for its base images, and works in it."""

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
from tests.container import checks, serving_checks, stand_ins
from tests.container.buildah import Buildah
from tests.container.dockerfile import DOCKERFILE, ROOT, SERVING_DOCKERFILE, base_images
from tests.container.read_only import read_only
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


SERVING_CHECKS: tuple[Callable[[serving_checks.Pod], str], ...] = (
    serving_checks.it_is_lean,
    serving_checks.nothing_but_tmp_can_be_written,
    serving_checks.doctor_is_content,
    serving_checks.it_is_closed_by_default,
    serving_checks.it_answers_through_a_swap_and_drains,
)


class Variant(StrEnum):
    """Which container: the job's, by what it computes with, or the server's."""

    CPU = "cpu"
    GPU = "gpu"
    SERVING = "serving"

    @property
    def dockerfile(self) -> str:
        """What it is built by."""
        return SERVING_DOCKERFILE if self is Variant.SERVING else DOCKERFILE


app = typer.Typer(add_completion=False)


@app.command()
def image_check(
    variant: Annotated[Variant, typer.Option(help="the job's, cpu or gpu, or the server's")] = Variant.CPU,
    folder: Annotated[Path, typer.Option(help="where stand-ins and images are kept")] = FOLDER,
) -> None:
    """Builds a container on stand-ins for its base images, and works in it: the job's as root and as its own user."""
    refuse_without_tools()
    see_mounts_alone()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="image-check-") as state:
        buildah = Buildah(folder.absolute(), Path(state))
        buildah.log.write_text("")
        buildah.tidy()
        for image in base_images((ROOT / variant.dockerfile).read_text(encoding="utf-8")):
            stand_ins.make(buildah, image)
        if variant is Variant.SERVING:
            check_the_server(buildah)
        else:
            check_the_job(buildah, variant)
        buildah.tidy()
    say(f"== all of it works, after {time.monotonic() - started:.0f} s; {folder} keeps the images and a log")


def check_the_job(buildah: Buildah, variant: Variant) -> None:
    """Builds the job's container for each user of it, and works in it.

    Raises:
        CommandFailed: it does not build, or a check does not hold.
    """
    for user in USERS:
        image = f"localhost/hotswap:{variant}-{user}"
        say(f"== building {DOCKERFILE} with VARIANT={variant} RUN_AS={user}")
        buildah.build(DOCKERFILE, ROOT, image, {"VARIANT": variant, "RUN_AS": user})
        say(f"== working in it as {user}")
        try_out(buildah, image)


def check_the_server(buildah: Buildah) -> None:
    """Builds the server's container, and has it serve as a pod does.

    Raises:
        CommandFailed: it does not build, or a check does not hold.
    """
    image = "localhost/hotswap-serving:check"
    say(f"== building {SERVING_DOCKERFILE}")
    buildah.build(SERVING_DOCKERFILE, ROOT, image, {})
    say("== serving by it, as another user on a read-only root")
    with tempfile.TemporaryDirectory(prefix="image-check-") as folder:
        models, place = Path(folder) / "models", Path(folder) / "root"
        models.mkdir()
        place.mkdir()
        Path(folder).chmod(0o755)
        with read_only(buildah, image, models, place) as inside:
            pod = serving_checks.Pod(inside, image, buildah, models)
            for check in SERVING_CHECKS:
                say(f"   ok: {check(pod)}")


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
