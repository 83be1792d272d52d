"""buildah, with a store of its own: whatever else is built on this machine is not touched."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from launch.command_line import CommandFailed
from launch.printing import say

_SECONDS = 3600
_NO_REASON = ("Error: building at STEP", "subprocess exited")
"""How lines begin that only say that a command failed, whose own last line says why."""


class Buildah:
    """Builds images and runs commands in them, by a change of root: no daemon, no namespaces of the kernel's.

    Args:
        folder: where images and containers are kept, and the log of what is built.
        state: a folder for what is mounted meanwhile.
    """

    def __init__(self, folder: Path, state: Path) -> None:
        self._store = ["--root", str(folder / "store"), "--runroot", str(state)]
        self.log = folder / "build.log"

    def call(self, *arguments: str) -> str:
        """What a subcommand prints.

        Raises:
            CommandFailed: it failed; the last line that it wrote says why.
        """
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=_SECONDS, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise CommandFailed(f"buildah {arguments[0]}: {last}")
        return done.stdout.strip()

    def command(self, *arguments: str) -> list[str]:
        """The command line of a subcommand."""
        return ["buildah", *self._store, *arguments]

    def has(self, image: str) -> bool:
        """Whether there is an image of this name."""
        return image in {name for each in json.loads(self.call("images", "--json")) for name in each.get("names") or ()}

    def image_of(self, folder: Path, image: str, settings: Sequence[str] = ()) -> None:
        """Makes an image of a folder, which is its root."""
        container = self.call("from", "scratch")
        try:
            self.call("add", "--quiet", container, f"{folder}/.", "/")
            self.call("config", *settings, container)
            self.call("commit", "--quiet", container, image)
        finally:
            self.call("rm", container)

    def build(self, dockerfile: str, context: Path, image: str, arguments: Mapping[str, str]) -> None:
        """Builds as `docker build -f DOCKERFILE CONTEXT` does, and tells each step.

        Raises:
            CommandFailed: a step failed.
        """
        given = [f"--build-arg={name}={value}" for name, value in arguments.items()]
        how = ["--isolation=chroot", "--format=docker", "--layers", "--pull-never"]  # the OCI's has no health check
        options = [*how, f"--file={dockerfile}", f"--tag={image}", *given]
        command = self.command("bud", *options, str(context))
        last = ""
        with (
            self.log.open("a") as log,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as building,
        ):
            assert building.stdout is not None
            for line in building.stdout:
                log.write(line)
                if step := re.match(r"(?:\[\S+\] )?STEP \S+ (.+)", line):
                    say(f"   {' '.join(step[1].split())[:110]}")
                if not line.startswith(_NO_REASON):
                    last = line.strip() or last
        if building.returncode:
            raise CommandFailed(f"{dockerfile} does not build: {last} ({self.log} has it all)")

    def tidy(self) -> None:
        """Removes what builds that were ended have left, and what newer ones have replaced."""
        self.call("rm", "--all")
        self.call("rmi", "--prune")

    def settings(self, image: str) -> dict[str, Any]:
        """What an image says of how it is run, in the words of the OCI: `Entrypoint`, `Env`, `User`, …"""
        return dict(json.loads(self.call("inspect", "--type=image", image))["OCIv1"]["config"])

    def health_check(self, image: str) -> list[str]:
        """The command, with its arguments, by which an image says that its container is well."""
        said = json.loads(self.call("inspect", "--type=image", image))["Docker"]["config"].get("Healthcheck") or {}
        kind, *command = said.get("Test") or ["NONE"]
        if kind != "CMD":
            raise CommandFailed(f"{image} has no health check that is a command")
        return [str(each) for each in command]

    @contextmanager
    def container(self, image: str) -> Iterator[str]:
        """A container of an image, which is removed afterwards."""
        container = self.call("from", "--pull-never", image)
        try:
            yield container
        finally:
            self.call("rm", container)

    def inside(self, container: str, shared: Path, variables: Mapping[str, str], command: Sequence[str]) -> list[str]:
        """The command line of a command in a container, on this machine's network, as the image's user.

        Args:
            container: by its id.
            shared: a folder that it finds under the same name as here.
            variables: of its environment, besides the image's.
            command: with its arguments.
        """
        given = [f"--env={name}={value}" for name, value in variables.items()]
        return self.command(
            "run", "--isolation=chroot", f"--volume={shared}:{shared}", *given, container, "--", *command
        )
