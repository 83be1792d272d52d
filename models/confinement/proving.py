"""Whether this machine confines what opens strangers' models, found out by trying to break out of it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
from pathlib import Path

from models.confinement.starting import start_confined
from models.confinement.trial import CANARY
from models.errors import NotConfined, one_line

_SECONDS = 60.0
REMEDY = "use Linux 5.13 or newer with Landlock, and install libseccomp2"


def require_confinement() -> None:
    """Does nothing where a model comes through to nothing.

    Raises:
        NotConfined: it would.
    """
    if reached := what_is_reached():
        raise NotConfined(f"a model that took its process over would reach {', '.join(reached)}; {REMEDY}")


def what_is_reached() -> list[str]:
    """What a process reaches that confined itself, from `trial`; empty where it holds.

    Raises:
        NotConfined: it could not be tried.
    """
    with (
        tempfile.TemporaryDirectory(prefix="hotswap-trial-") as folder,
        socket.create_server(("127.0.0.1", 0)) as server,
    ):
        secret, forbidden, workspace = (Path(folder, name) for name in ("secret", "forbidden", "workspace"))
        secret.write_text("secret")
        forbidden.mkdir()
        workspace.mkdir()
        port = str(server.getsockname()[1])
        trial = start_confined(
            "models.confinement.trial",
            [port, str(secret), str(forbidden)],
            workspace,
            output=subprocess.PIPE,
            errors=subprocess.DEVNULL,
            inherited=os.environ | {CANARY: "1"},
        )
        try:
            with trial as tried:
                try:
                    printed, _ = tried.communicate(timeout=_SECONDS)
                finally:
                    tried.kill()
            return [str(each) for each in json.loads(printed)]
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise NotConfined(f"confinement could not be tried: {one_line(error)}") from error
