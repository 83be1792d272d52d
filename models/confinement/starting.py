"""Starts a Python process that will confine itself: with installed packages, and nobody's credentials."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import IO

from models.confinement import places
from models.confinement.environment import confined_environment
from models.printable import logger

_LOGGER = logger(__name__)


def start_confined(
    module: str,
    arguments: Sequence[str],
    workspace: Path,
    output: IO[bytes] | int,
    environment: Mapping[str, str] | None = None,
    errors: int = subprocess.STDOUT,
    files: Sequence[int] = (),
    inherited: Mapping[str, str] = os.environ,
) -> subprocess.Popen[str]:
    """A process that runs a module, in a group of its own; its standard input is a pipe.

    Args:
        module: its name; what it does first is `confining.confine`.
        arguments: of its command line.
        workspace: the folder that it is started in, which it takes for home.
        output: where its standard output goes.
        environment: variables that it gets besides those that are kept.
        errors: where its standard error goes; with its standard output where nothing is said.
        files: descriptors that it inherits besides.
        inherited: the variables of which some are kept.
    """
    kept = confined_environment(inherited, str(workspace))
    own = {"PYTHONPATH": os.pathsep.join(map(str, [places.PROJECT, *places.packages()]))}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=errors,
        env=kept | own | dict(environment or {}),
        cwd=workspace,
        # No session of its own: the kernel weighs sessions against each other, whatever their priorities.
        process_group=0,
        pass_fds=tuple(files),
        text=True,
    )


def end_group(process: subprocess.Popen[str]) -> None:
    """Kills such a process, which may have left its group, and whatever is left in that."""
    for kill in (partial(os.killpg, process.pid, signal.SIGKILL), process.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill()


def warn_of(unconfined: Iterable[str]) -> None:
    """Says once what this machine did not allow of a process' confinement."""
    if refused := "; ".join(unconfined):
        _warn(refused)


@cache
def _warn(refused: str) -> None:
    _LOGGER.warning("this machine does not confine models wholly (%s); `hotswap doctor` says what that means", refused)
