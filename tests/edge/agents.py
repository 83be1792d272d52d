"""Agents of the tests: in this process, with a folder that is looked into, and as real processes that are killed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from edge.acquiring import Acquirer
from edge.agent import Agent, Terms
from edge.cli import main
from edge.device_folder import DeviceFolder
from edge.fetching import Fetching
from edge.http_twin import HttpTwin
from edge.listening import Listener
from edge.probing import probe
from edge.steps import Step
from models.artefacts import MANIFEST, Artefact
from models.components.component import Component
from models.hosting.hosted_engine import Hosts
from models.signatures.bundles import DeviceKeys
from tests.edge.fleet_server import DEVICE, TOKEN, FleetServer
from tests.sample_images import digit, encoded

ROOT = Path(__file__).parents[2]


class DeviceFiles:
    """What lies on a device.

    Attributes:
        folder: the agent's.
        token: the file of its token.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir(exist_ok=True)
        self.root = root
        self.folder = root / "device"
        self.token = root / "token"
        self.token.write_text(TOKEN + "\n")
        self.images = root / "images"
        self.images.mkdir(exist_ok=True)
        (self.images / "digit.png").write_bytes(encoded(digit(), "PNG"))

    @property
    def current(self) -> Path:
        return self.folder / "current"

    def version(self, link: str = "current") -> str:
        """Of the component that a link leads to."""
        return Component.decode((self.folder / link / MANIFEST).read_bytes()).version

    def components(self) -> set[str]:
        """The versions that lie on the disk."""
        manifests = (self.folder / "components").glob(f"*/{MANIFEST}")
        return {Component.decode(path.read_bytes()).version for path in manifests}

    def incoming(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "incoming").iterdir())

    def label(self) -> str:
        """What `hotswap-edge run` takes an image for, by what `current` leads to."""
        output = self.root / "results.jsonl"
        output.unlink(missing_ok=True)
        told = ["--images", str(self.images), "--interval", "0", "--output", str(output)]
        assert main(["run", "--component", str(self.current), *told]) == 0
        [line] = output.read_text().splitlines()
        return str(json.loads(line)["label"])

    def command(self, server: str, *more: str) -> list[str]:
        """What is typed after `hotswap-edge`."""
        told = ["--server", server, "--device", DEVICE, "--token-file", str(self.token), "--folder", str(self.folder)]
        return ["agent", *told, *more]


class AgentHere:
    """An agent in this process.

    Attributes:
        told: the lines that it printed.
        probed: the folders whose models it had executed; each was held against its manifest then.
    """

    def __init__(
        self,
        device: DeviceFiles,
        server: FleetServer | str,
        at: Callable[[Step], None] = lambda step: None,
        keys: DeviceKeys | None = None,
        every: float = 0.2,
        trial: float = 300.0,
    ) -> None:
        self.told: list[str] = []
        self.probed: list[Path] = []
        self.stop = threading.Event()
        url = server if isinstance(server, str) else server.url
        self._manifests = (list) if isinstance(server, str) else server.manifests
        with ExitStack() as left:
            source = left.enter_context(closing(HttpTwin(url, DEVICE, device.token)))
            folder = left.enter_context(closing(DeviceFolder(device.folder, at)))
            acquirer = Acquirer(folder, Fetching(None, allow_here=True), keys, self._probe, at)
            listener = Listener(source, every, self.told.append)
            self.agent = Agent(listener, folder, acquirer, Terms(every, trial), self.told.append, self.stop, at)
            self._left = left.pop_all()

    def __enter__(self) -> AgentHere:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._left.close()

    def start(self) -> None:
        """Runs in a thread until the end."""
        thread = threading.Thread(target=self.agent.run)
        self._left.callback(thread.join)
        self._left.callback(self.stop.set)
        thread.start()

    def has_told(self, text: str) -> Callable[[], bool]:
        return lambda: any(text in line for line in self.told)

    def _probe(self, artefact: Artefact, hosts: Hosts) -> None:
        require_verified(artefact.folder)
        assert (artefact.folder / MANIFEST).read_bytes() in self._manifests(), "it is what the server desires"
        self.probed.append(artefact.folder)
        probe(artefact, hosts)


def once(device: DeviceFiles, server: FleetServer | str, **more: Any) -> AgentHere:
    """An agent that looked once, and ended."""
    with AgentHere(device, server, **more) as here:
        here.agent.turn()
    return here


def require_verified(folder: Path) -> None:
    """Holds what is about to be executed against its manifest.

    Raises:
        AssertionError: a byte of it was never verified.
    """
    component = Component.decode((folder / MANIFEST).read_bytes())
    assert {path.name for path in folder.iterdir()} == {MANIFEST, *(file.name for file in component.files)}
    for file in component.files:
        assert hashlib.sha256((folder / file.name).read_bytes()).hexdigest() == file.sha256, file.name


def process(module: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """A module of the project that runs by itself."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
