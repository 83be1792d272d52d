"""Whatever happens at any step: what `current` leads to answers, nothing unverified runs, the next start gets there."""

from __future__ import annotations

import errno
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.device_state import FIRST_PLACE, DeviceState
from edge.runs import RunNotes
from edge.steps import Step
from models.reference import sha256_of
from tests.component_files import component_of
from tests.edge.agents import AgentHere, DeviceFiles, once, process
from tests.edge.fleet_server import FleetServer

OLD, NEW = "ant", "cow"
KILLS = [(step, 1) for step in Step] + [(Step.RECORDED, 2), (Step.RECORDED, 3), (Step.REPORTED, 2)]


@dataclass
class Prepared:
    """A device that runs something that answers OLD, and the archive of 2.0.0, which answers NEW.

    Attributes:
        root: of its files, and of the shelf.
        good: the version that is the last good one once 2.0.0 is current.
    """

    root: Path
    good: str


BEFORE = {
    "one that is proved": ["1.0.0"],
    "one that is proved, another behind it": ["0.5.0", "1.0.0"],
    "one in trial, a good one behind it": ["1.0.0", "1.5.0 in trial"],
}
"""What a device may run before: versions that it took in, one after another."""


@pytest.fixture(scope="module", params=BEFORE.values(), ids=list(BEFORE))
def prepared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    root = tmp_path_factory.mktemp("prepared")
    good = ""
    component_of(root / "shelf", favours=2, version="2.0.0")
    with FleetServer() as server:
        for each in request.param:
            version, _, in_trial = each.partition(" ")
            server.desire(component_of(root / "shelf", favours=0, version=version))
            once(DeviceFiles(root), server)
            if not in_trial:
                once(DeviceFiles(root), server, trial=0.0)
                good = version
    return Prepared(root, good)


@dataclass
class Scene:
    """A device that was prepared, and a server that desires 2.0.0."""

    device: DeviceFiles
    server: FleetServer
    good: str

    def require_answer(self) -> None:
        assert self.device.label() in (OLD, NEW)

    def require_new_one_next(self) -> None:
        """The next start, with all well again, reaches what is desired."""
        here = once(self.device, self.server)
        assert here.agent.why_not() == ""
        assert self.device.label() == NEW
        assert self.device.incoming() == []
        assert self.device.components() == {self.good, "2.0.0"}


@pytest.fixture
def scene(prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / "cache"))
    with FleetServer() as server:
        yield set_up(prepared, tmp_path, server)


def set_up(prepared: Prepared, root: Path, server: FleetServer) -> Scene:
    shutil.copytree(prepared.root / "device", root / "device", symlinks=True)
    server.desire(prepared.root / "shelf/animals-2.0.0-linux-x86_64.zip")
    return Scene(DeviceFiles(root), server, prepared.good)


@pytest.mark.parametrize(("step", "times"), KILLS)
def test_killed_at_any_step(scene: Scene, step: Step, times: int) -> None:
    command = scene.device.command(scene.server.url, "--once")
    with process("tests.edge.faulty_agent", step, str(times), *command) as agent:
        _, errors = agent.communicate()

    assert agent.returncode == -signal.SIGKILL, errors
    scene.require_answer()
    scene.require_new_one_next()


def after(step: Step, fault: Callable[[], object]) -> Callable[[Step], None]:
    """Does something once, as soon as a step is done."""
    left = [fault]

    def at(reached: Step) -> None:
        if reached == step and left:
            left.pop()()

    return at


def endure(scene: Scene, at: Callable[[Step], None]) -> AgentHere:
    """An agent that goes through a fault."""
    return once(scene.device, scene.server, at=at)


@pytest.mark.parametrize("step", list(Step))
def test_a_network_that_breaks_at_any_step(scene: Scene, step: Step) -> None:
    def cut() -> None:
        scene.server.down = scene.server.storage_down = True
        scene.server.cut_after = 0

    endure(scene, after(step, cut))

    scene.require_answer()
    scene.server.down = scene.server.storage_down = False
    scene.server.cut_after = None
    scene.require_new_one_next()


@pytest.mark.parametrize("step", list(Step))
def test_bytes_that_change_at_any_step(scene: Scene, step: Step) -> None:
    def corrupt() -> None:
        scene.server.corrupt = True
        for path in (scene.device.folder / "incoming").glob("*.zip*"):
            data = bytearray(path.read_bytes())
            for place in range(len(data) // 2, min(len(data), len(data) // 2 + 8)):
                data[place] ^= 0xFF
            path.write_bytes(data)

    endure(scene, after(step, corrupt))

    scene.require_answer()
    scene.server.corrupt = False
    scene.require_new_one_next()


def refuse_to_write() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("step", list(Step))
def test_a_disk_that_says_it_is_full_at_any_step(scene: Scene, step: Step) -> None:
    here = endure(scene, after(step, refuse_to_write))

    scene.require_answer()
    assert len([line for line in here.told if "No space left" in line]) <= 1
    scene.require_new_one_next()


@pytest.mark.parametrize("small_disk", [8], indirect=True)
@pytest.mark.parametrize("step", list(Step))
def test_a_disk_that_is_full_at_any_step(
    prepared: Prepared, small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: Step
) -> None:
    monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / "cache"))
    filler = small_disk / "filler"

    def fill() -> None:
        with suppress(OSError), filler.open("wb", buffering=0) as writing:
            while True:
                writing.write(bytes(4096))

    with FleetServer() as server:
        scene = set_up(prepared, small_disk, server)
        endure(scene, after(step, fill))
        full = filler.exists()
        with suppress(AssertionError):
            once(scene.device, server)  # while it still is
        scene.device.root = tmp_path
        scene.require_answer()
        filler.unlink()
        scene.require_new_one_next()
    assert full


@pytest.mark.parametrize(
    ("step", "times"), [(Step.RECORDED, 1), (Step.LINKED, 1), (Step.SWAPPED, 1), (Step.CLEANED, 1)]
)
def test_killed_while_it_goes_back(scene: Scene, step: Step, times: int) -> None:
    once(scene.device, scene.server)
    assert scene.device.version() == "2.0.0"
    state = DeviceState.decode((scene.device.folder / "state.json").read_bytes())
    current = state.places[FIRST_PLACE].current
    assert current is not None
    notes = RunNotes(scene.device.current, print)
    notes.runs(current.manifest)
    notes.quarantined(current.manifest, "it crashed")
    command = scene.device.command(scene.server.url, "--once")
    with process("tests.edge.faulty_agent", step, str(times), *command) as agent:
        _, errors = agent.communicate()
    assert agent.returncode in (-signal.SIGKILL, 1), errors
    scene.require_answer()

    here = once(scene.device, scene.server)
    notes.close()
    assert scene.device.label() == OLD
    assert "does not run" in here.agent.why_not()
    assert scene.server.state_of("2.0.0") == "failed quarantined"


def test_it_goes_back_where_that_cannot_even_be_written_down(scene: Scene) -> None:
    once(scene.device, scene.server)
    notes = RunNotes(scene.device.current, print)
    notes.quarantined(sha256_of(scene.device.current / "manifest.json"), "it crashed")

    def at(step: Step) -> None:
        if step == Step.RECORDED:
            refuse_to_write()

    endure(scene, at)
    notes.close()

    assert scene.device.label() == OLD


def test_what_somebody_did_to_the_link_is_mended(scene: Scene) -> None:
    once(scene.device, scene.server)
    scene.device.current.unlink()
    once(scene.device, scene.server)

    assert scene.device.label() == NEW


def test_what_the_link_leads_to_stays_where_nothing_can_be_written(scene: Scene) -> None:
    full = [False]

    def at(step: Step) -> None:
        full[0] = full[0] or step == Step.PLACED
        if full[0] and step == Step.RECORDED:
            refuse_to_write()

    before = scene.device.version()
    endure(scene, at)

    assert scene.device.version() == before
    scene.require_answer()
    scene.require_new_one_next()
