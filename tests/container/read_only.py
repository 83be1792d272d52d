"""Runs what an image holds as Kubernetes would: another user, no capabilities, and one folder that can be written."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.container.buildah import Buildah

MODELS = "/models"
"""Where a folder of this machine is found in there, to be read."""
_SECONDS = 60
_WRITABLE = "nosuid,nodev,noexec,mode=1777,size=2g"


@dataclass(frozen=True)
class ReadOnly:
    """An image whose root is mounted to be read alone.

    Attributes:
        root: where it is mounted.
        settings: of the image, in the words of the OCI.
    """

    root: Path
    settings: Mapping[str, Any]

    def command(self, *command: str) -> list[str]:
        """The command line of a command in there, whose process is the first of its own: others end with it.

        Its user is the image's, its environment the image's alone; it may gain no privilege, and sees this machine's
        network.
        """
        user, _, group = self.settings["User"].partition(":")
        alone = ["unshare", "--pid", "--fork", "--mount", f"--mount-proc={self.root}/proc"]
        bound = ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        harmless = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", *bound]
        folder = f"--chdir={self.settings['WorkingDir']}"
        return [*alone, "chroot", str(self.root), *harmless, "env", "-i", folder, *self.settings["Env"], *command]

    def succeeds(self, *command: str) -> bool:
        """Whether a command in there ends with 0."""
        return (
            subprocess.run(self.command(*command), capture_output=True, timeout=_SECONDS, check=False).returncode == 0
        )


@contextmanager
def read_only(buildah: Buildah, image: str, models: Path, place: Path) -> Iterator[ReadOnly]:
    """An image, mounted as it would be for a pod with a read-only root.

    Args:
        buildah: has the image.
        image: its name.
        models: a folder of this machine, which is found in there as `MODELS`.
        place: an empty folder, for the mounts.
    """
    with buildah.container(image) as container, ExitStack() as mounts:
        filled = Path(buildah.call("mount", container))
        mounts.callback(buildah.call, "umount", container)
        (filled / MODELS.strip("/")).mkdir()

        def mount(*arguments: str, at: Path) -> None:
            _run("mount", *arguments, str(at))
            mounts.callback(_run, "umount", "--recursive", "--lazy", str(at))

        mount("--bind", str(filled), at=place)
        _run("mount", "-o", "remount,bind,ro", str(place))
        mount("--rbind", "/dev", at=place / "dev")
        mount("--bind", "-o", "ro", "/sys", at=place / "sys")
        mount("-t", "tmpfs", "-o", _WRITABLE, "tmpfs", at=place / "tmp")
        mount("--bind", "-o", "ro", str(models), at=place / MODELS.strip("/"))
        yield ReadOnly(place, buildah.settings(image))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
