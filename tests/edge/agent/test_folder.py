"""Whatever people, disks and strangers do to a device's folder: it is noticed, told, and mended."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from edge import intact, probing
from edge.device_folder import FolderTaken
from edge.runs import RunNotes
from edge.steps import Step
from models.reference import sha256_of
from models.signatures.bundles import DeviceKeys
from models.signatures.signer import Signer
from tests.component_files import component_of
from tests.edge.agents import AgentHere, DeviceFiles, once
from tests.edge.fleet_server import FleetServer
from tests.model_files import endless_output
from tests.models.signatures.makers import Maker
from tests.waiting import eventually


def is_at(device: DeviceFiles, version: str) -> bool:
    return device.current.exists() and device.version() == version


# What was fetched


def replaced(archive: Path, other: Path) -> None:
    shutil.copy(other, archive.with_name("another"))
    archive.with_name("another").rename(archive)


def written_over(archive: Path, other: Path) -> None:
    archive.write_bytes(other.read_bytes())


def linked(archive: Path, other: Path) -> None:
    archive.unlink()
    archive.symlink_to(other)


def made_a_folder(archive: Path, other: Path) -> None:
    archive.unlink()
    shutil.copytree(other.parent, archive)


def opened_to_others(archive: Path, other: Path) -> None:
    archive.chmod(0o666)


@pytest.mark.parametrize("meddle", [replaced, written_over, linked, made_a_folder, opened_to_others])
def test_nothing_is_executed_but_bytes_of_the_archive_that_is_desired(
    device: DeviceFiles, server: FleetServer, first: Path, tmp_path: Path, meddle: Callable[[Path, Path], None]
) -> None:
    forged = component_of(tmp_path / "forged", favours=2, version="1.0.0")
    server.desire(first)

    def at(step: Step) -> None:
        if step == Step.FETCHED:
            [archive] = (device.folder / "incoming").glob("*.zip")
            meddle(archive, forged)

    here = once(device, server, at=at)

    assert here.probed == [] and not device.current.exists()
    assert server.state_of("1.0.0") == "fetching wrong_digest"
    assert here.agent.why_not()
    assert once(device, server).agent.why_not() == ""


def test_what_changed_after_it_was_asked_is_not_swapped_in(
    device: DeviceFiles, server: FleetServer, first: Path
) -> None:
    server.desire(first)

    def at(step: Step) -> None:
        if step == Step.PROBED:
            [model] = (device.folder / "incoming").glob("*.unpacked/model.onnx")
            model.write_bytes(bytes(model.stat().st_size))

    here = once(device, server, at=at)

    assert not device.current.exists()
    assert "wrong_digest" in here.agent.why_not()


# What lies there


def flip_one_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def rot(path: Path) -> None:
    """As a disk does: nothing but the bytes tells of it."""
    before = path.stat()
    flip_one_bit(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("restarts", [False, True])
def test_one_flipped_bit_is_noticed_and_the_same_fetched_again(
    device: DeviceFiles, server: FleetServer, first: Path, restarts: bool
) -> None:
    server.desire(first)
    with AgentHere(device, server, every=0.0) as here:
        here.agent.turn()
        flip_one_bit(device.current / "model.onnx")
        if not restarts:
            here.agent.turn()
            assert here.has_told("changed on this disk")()
            assert here.agent.why_not() == ""
    if restarts:
        assert once(device, server).agent.why_not() == ""

    assert device.label() == "ant"
    assert server.answers["component 200"] == 2


def test_a_flipped_bit_is_not_well_while_nobody_can_send_the_same_again(
    device: DeviceFiles, server: FleetServer, first: Path, second: Path
) -> None:
    server.desire(first)
    once(device, server)
    server.desire(second)
    once(device, server)
    flip_one_bit(device.current / "model.onnx")
    server.storage_down = True
    here = once(device, server)

    assert "2.0.0 does not run" in here.agent.why_not()
    assert device.label() == "ant", "what was good answers meanwhile"


def test_what_a_disk_lost_by_itself_is_noticed_in_time(
    device: DeviceFiles, server: FleetServer, first: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intact, "PROVED_AGAIN_SECONDS", 0.0)
    server.desire(first)
    with AgentHere(device, server) as here:
        here.agent.turn()
        rot(device.current / "model.onnx")
        here.agent.turn()

    assert server.answers["component 200"] == 2
    assert device.label() == "ant"


def test_nothing_that_rotted_is_gone_back_to(
    device: DeviceFiles, server: FleetServer, first: Path, second: Path
) -> None:
    server.desire(first)
    once(device, server)
    before = device.current.resolve()
    server.desire(second)
    once(device, server)
    rot(before / "model.onnx")
    notes = RunNotes(device.current, print)
    notes.quarantined(sha256_of(device.current / "manifest.json"), "it crashed")
    once(device, server)
    notes.close()

    assert device.label() == "cow", "whatever that answers is more than nothing"
    assert server.state_of("2.0.0") == "failed quarantined"


# What is gone


@pytest.mark.parametrize("what", [".", "components", "current", "state.json", "lock", "runs", "incoming"])
def test_what_was_removed_is_made_again_by_the_agent_that_runs(
    device: DeviceFiles, server: FleetServer, first: Path, what: str
) -> None:
    server.desire(first)
    with AgentHere(device, server, every=0.0) as here:
        here.agent.turn()
        gone = device.folder / what
        shutil.rmtree(gone) if gone.is_dir() and not gone.is_symlink() else gone.unlink()
        here.agent.turn()

        assert here.agent.why_not() == ""
        assert device.label() == "ant"
        assert (device.folder / "state.json").exists()
        with pytest.raises(FolderTaken), AgentHere(device, server):
            pass


def test_an_agent_that_lost_its_folder_to_another_ends(device: DeviceFiles, server: FleetServer, first: Path) -> None:
    server.desire(first)
    with AgentHere(device, server, every=0.0) as here:
        here.agent.turn()
        shutil.rmtree(device.folder)
        with AgentHere(device, server), pytest.raises(FolderTaken):
            here.agent.turn()


# What stands in the way


@pytest.mark.parametrize("what", ["current", ".current.next", "animals"])
@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_stands_in_the_way_is_moved_aside_and_told(
    device: DeviceFiles, server: FleetServer, first: Path, tmp_path: Path, what: str, kind: str
) -> None:
    device.folder.mkdir()
    place = device.folder / what
    if kind == "folder":
        place.mkdir()
        (place / "notes.txt").touch()
    else:
        place.write_text("notes")
    server.desire(component_of(tmp_path / "shelf", name="plants"), first)
    here = once(device, server)

    assert here.agent.why_not() == ""
    assert device.current.is_symlink() and device.version("animals/current") == "1.0.0"
    if (what, kind) != ("animals", "folder"):
        assert here.has_told(f"{what}.aside-1")()
        assert place.with_name(f"{what}.aside-1").exists()


# What is desired


def test_where_something_else_is_desired_each_time_once_ends_and_says_so(
    device: DeviceFiles, server: FleetServer, first: Path, second: Path
) -> None:
    each = iter(range(10_000))

    def at(step: Step) -> None:
        if step == Step.POLLED:
            server.desire((second, first)[next(each) % 2])

    server.desire(first)
    here = once(device, server, at=at, every=1000.0)

    assert here.agent.why_not()
    assert next(each) < 20


def test_an_archive_that_was_desired_by_a_wrong_name_is_taken_by_its_own(
    device: DeviceFiles, server: FleetServer, first: Path
) -> None:
    model = server.model(first)
    server.desire_models(type(model)(model.name, "1.0.1", "", model.sha256, model.size))
    assert "other_component" in once(device, server).agent.why_not()
    sent = server.sent
    assert "other_component" in once(device, server).agent.why_not()
    assert server.sent == sent, "it is not fetched again for the same name"
    server.desire(first)

    assert once(device, server).agent.why_not() == ""
    assert server.state_of("1.0.0") == "trial"


def test_what_lies_here_does_not_run_under_another_name(device: DeviceFiles, server: FleetServer, first: Path) -> None:
    server.desire(first)
    once(device, server)
    model = server.model(first)
    server.desire_models(model, type(model)("watchdog", "1.0.0", "", model.sha256, model.size))
    here = once(device, server)

    assert "watchdog 1.0.0 does not run: other_component" in here.agent.why_not()
    assert not (device.folder / "watchdog").exists()
    server.desire_models(type(model)("watchdog", "1.0.0", "", model.sha256, model.size))
    assert "other_component" in once(device, server).agent.why_not()
    server.desire(first)
    assert once(device, server).agent.why_not() == ""


def test_a_release_in_trial_is_watched_while_the_next_one_does_not_answer(
    device: DeviceFiles, server: FleetServer, first: Path, second: Path, tmp_path: Path
) -> None:
    server.desire(first)
    once(device, server)
    server.desire(second)
    once(device, server)
    with AgentHere(device, server, every=0.1, trial=1000.0) as here:
        server.desire(component_of(tmp_path / "shelf", model=endless_output, version="3.0.0"))
        here.start()
        eventually(lambda: here.probed, "that the endless one is asked")
        notes = RunNotes(device.current, print)
        notes.quarantined(sha256_of(device.current / "manifest.json"), "it crashed")
        eventually(partial(is_at, device, "1.0.0"), "the going back")
        assert not here.has_told("3.0.0 fails")()
        server.desire(first)
        eventually(here.has_told("3.0.0 is no longer desired"), "that it is overtaken")
        notes.close()


def test_a_model_that_never_answers_is_given_up_in_time(
    device: DeviceFiles, server: FleetServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "LONGEST_PROBE_SECONDS", 0.5)
    server.desire(component_of(tmp_path / "shelf", model=endless_output, version="3.0.0"))
    here = once(device, server)

    assert server.state_of("3.0.0") == "failed model_timed_out"
    assert "model_timed_out" in here.agent.why_not()


# Who is trusted


def signature_of(archive: Path, by: Maker, folder: Path) -> str:
    Signer(by.private).sign(archive, folder / "signature")
    return (folder / "signature").read_text()


def test_what_runs_by_a_key_that_is_trusted_no_more_stays_and_is_told(
    device: DeviceFiles, server: FleetServer, first: Path, second: Path, tmp_path: Path
) -> None:
    ours, theirs = Maker(tmp_path, "ours"), Maker(tmp_path, "theirs")
    trusted, others = (DeviceKeys([maker.public.read_text()]) for maker in (ours, theirs))
    server.desire(first, signature=signature_of(first, ours, tmp_path))
    once(device, server, keys=trusted)
    here = once(device, server, keys=others)

    assert "is not trusted: bad_signature" in here.agent.why_not()
    assert len([line for line in here.told if "is not trusted" in line]) == 1
    assert server.state_of("1.0.0") == "trial bad_signature"
    assert device.label() == "ant"
    assert once(device, server, keys=trusted).agent.why_not() == ""
    assert server.state_of("1.0.0") == "trial"
    server.desire(second, signature=signature_of(second, theirs, tmp_path))
    assert once(device, server, keys=others).agent.why_not() == ""


def test_what_nobody_signed_is_told_once_keys_are_trusted(
    device: DeviceFiles, server: FleetServer, first: Path, tmp_path: Path
) -> None:
    server.desire(first)
    once(device, server)
    here = once(device, server, keys=DeviceKeys([Maker(tmp_path, "ours").public.read_text()]))

    assert "is not trusted: unsigned" in here.agent.why_not()
    assert device.label() == "ant"
