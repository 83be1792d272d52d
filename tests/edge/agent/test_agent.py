"""A device runs what is desired of it, or what it ran before: never nothing, and never what nobody verified."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from edge import retries
from edge.steps import Step
from tests.component_files import component_of
from tests.edge.agents import AgentHere, DeviceFiles, once
from tests.edge.fleet_server import FleetServer
from tests.waiting import eventually


def is_running(server: FleetServer, version: str) -> bool:
    return server.state_of(version) == "running"


def test_what_is_desired_runs_and_is_told(device: DeviceFiles, server: FleetServer, first: Path) -> None:
    server.desire(first)
    here = once(device, server)

    assert device.label() == "ant"
    assert here.agent.why_not() == ""
    assert server.state_of("1.0.0") == "trial"
    [told] = server.reported[-1].models
    assert told.model_id and told.name == "animals"
    assert server.reported[-1].free_bytes > 0
    assert device.incoming() == []


def written(folder: Path) -> list[tuple[Path, int, int]]:
    """All that there is, and when it was written."""
    return [(path, path.lstat().st_mtime_ns, path.lstat().st_ino) for path in sorted(folder.rglob("*"))]


def test_a_poll_that_changes_nothing_writes_nothing_and_tells_nothing(
    device: DeviceFiles, server: FleetServer, first: Path
) -> None:
    server.desire(first)
    with AgentHere(device, server, every=0.02, trial=0.1) as here:
        here.start()
        eventually(partial(is_running, server, "1.0.0"), "the end of the trial")
        polls = server.answers["GET 304"]
        eventually(lambda: server.answers["GET 304"] > polls + 1, "a poll after all was written")
        before, told, polls = written(device.folder), len(server.reported), server.answers["GET 304"]
        eventually(lambda: server.answers["GET 304"] > polls + 10, "more polls")

    assert written(device.folder) == before
    assert len(server.reported) == told


def test_the_next_one_replaces_it_and_the_last_good_one_is_kept(
    device: DeviceFiles, server: FleetServer, first: Path, second: Path, tmp_path: Path
) -> None:
    with AgentHere(device, server, every=0.05, trial=0.1) as here:
        here.start()
        for archive, version in (
            (first, "1.0.0"),
            (second, "2.0.0"),
            (component_of(tmp_path, version="3.0.0"), "3.0.0"),
        ):
            server.desire(archive)
            eventually(partial(is_running, server, version), version)

    assert device.version() == "3.0.0"
    assert device.components() == {"2.0.0", "3.0.0"}


def test_the_one_before_comes_back_without_a_download(
    device: DeviceFiles, server: FleetServer, first: Path, second: Path
) -> None:
    with AgentHere(device, server, every=0.05, trial=0.1) as here:
        here.start()
        for archive, version in ((first, "1.0.0"), (second, "2.0.0")):
            server.desire(archive)
            eventually(partial(is_running, server, version), version)
        sent = server.sent
        server.desire(first)
        eventually(lambda: server.state_of("1.0.0") == "running", "the one before")

    assert device.label() == "ant"
    assert server.sent == sent


def test_one_that_fails_its_probe_changes_nothing_and_is_never_tried_again(
    device: DeviceFiles, server: FleetServer, first: Path, tmp_path: Path
) -> None:
    server.desire(first)
    once(device, server, trial=0.0)
    server.desire(component_of(tmp_path, version="2.0.0", finite=False))
    failing = once(device, server)
    sent = server.sent
    again = once(device, server)

    assert device.label() == "ant"
    assert server.state_of("2.0.0") == "failed non_finite_output"
    assert server.state_of("1.0.0") in ("trial", "running")
    assert "does not run" in failing.agent.why_not() and "does not run" in again.agent.why_not()
    assert (server.sent, again.probed) == (sent, [])


def test_another_version_is_tried_after_one_that_failed(
    device: DeviceFiles, server: FleetServer, second: Path, tmp_path: Path
) -> None:
    server.desire(component_of(tmp_path, version="1.0.0", finite=False))
    once(device, server)
    server.desire(second)

    assert once(device, server).agent.why_not() == ""
    assert device.label() == "cow"


def test_a_download_that_is_cut_goes_on_where_it_was(device: DeviceFiles, server: FleetServer, first: Path) -> None:
    server.desire(first)
    server.cut_after = 1024
    once(device, server)
    [part] = device.incoming()
    once(device, server)

    assert part.endswith(".zip.part")
    assert device.label() == "ant"
    assert server.answers["component 206"] == 1
    assert server.sent == first.stat().st_size


def test_a_storage_that_sends_other_bytes_changes_nothing_and_is_asked_again(
    device: DeviceFiles, server: FleetServer, first: Path, second: Path
) -> None:
    server.desire(first)
    once(device, server)
    server.desire(second)
    server.corrupt = True
    lied_to = once(device, server)

    assert device.version() == "1.0.0"
    assert lied_to.probed == []
    assert server.state_of("2.0.0") == "fetching wrong_digest"
    once(device, server)
    assert device.label() == "cow"


def test_an_address_that_ran_out_is_asked_for_anew_at_once(
    device: DeviceFiles, server: FleetServer, first: Path, second: Path
) -> None:
    server.desire(first)
    with AgentHere(device, server, every=1000.0) as here:
        server.storage_down = True
        here.agent.turn()
        server.storage_down = False
        server.expire()
        here.start()
        eventually(lambda: device.current.exists(), "what is desired, by another address")

    assert server.answers["component 200"] == 1


def test_while_nobody_tells_where_anything_lies_it_rests_until_the_next_question(
    device: DeviceFiles, server: FleetServer, first: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE_SECONDS", 0.0)
    server.desire(first)
    server.storage_down = True
    once(device, server)

    def at(step: Step) -> None:
        server.down = server.down or step == Step.VERIFIED

    rests: list[float] = []
    with AgentHere(device, server, at=at, every=1000.0) as here:

        def rest(seconds: float) -> None:
            rests.append(seconds)
            if len(rests) == 3:
                here.stop.set()

        monkeypatch.setattr(here.stop, "wait", rest)
        here.agent.run()

    assert server.down
    assert min(rests) > 100


def test_what_is_desired_in_the_middle_of_a_download_is_what_counts(
    device: DeviceFiles, server: FleetServer, first: Path, second: Path
) -> None:
    server.desire(first)
    changed: list[int] = []

    def change() -> None:
        if not changed:
            changed.append(1)
            server.desire(second)

    server.before_piece = change
    here = once(device, server)

    assert device.label() == "cow"
    assert len(here.probed) == 1, "the other was never executed"
    assert device.components() == {"2.0.0"} and device.incoming() == []


def test_a_server_that_is_gone_is_told_once_and_what_is_there_goes_on(
    device: DeviceFiles, server: FleetServer, first: Path
) -> None:
    server.desire(first)
    with AgentHere(device, server, every=0.02) as here:
        here.start()
        eventually(lambda: server.state_of("1.0.0") == "trial", "the first one")
        server.down = True
        eventually(here.has_told("does not answer"), "the news")
        lines = len(here.told)
        eventually(lambda: device.label() == "ant", "an answer meanwhile")
        assert len(here.told) == lines
        server.down = False
        eventually(here.has_told("the server answers again"), "the good news")


def test_a_token_that_is_refused_is_told_once_and_another_one_is_taken(
    device: DeviceFiles, server: FleetServer, first: Path
) -> None:
    server.desire(first)
    server.token = "another"
    with AgentHere(device, server, every=0.02) as here:
        here.start()
        eventually(lambda: server.answers["GET 401"] > 3, "several polls")
        device.token.write_text("another")
        eventually(lambda: server.state_of("1.0.0") == "trial", "what is desired")

    assert len([line for line in here.told if "hotswap fleet add" in line]) == 1


def test_further_models_have_places_of_their_own_whatever_their_order(
    device: DeviceFiles, server: FleetServer, first: Path, tmp_path: Path
) -> None:
    plants = component_of(tmp_path / "plants", favours=1, version="5.0.0", name="plants")
    server.desire(first, plants)
    once(device, server)
    assert (device.version(), device.version("plants/current")) == ("1.0.0", "5.0.0")

    sent = server.sent
    server.desire(plants, first)
    once(device, server)
    assert (device.version(), device.version("animals/current")) == ("5.0.0", "1.0.0")
    assert device.version("plants/current") == "5.0.0", "whoever runs it there is not left without"
    assert server.sent == sent

    server.desire(plants)
    once(device, server)
    assert not (device.folder / "animals").exists()
    assert device.version() == "5.0.0"


def test_a_device_of_which_nothing_is_desired_any_more_keeps_its_model(
    device: DeviceFiles, server: FleetServer, first: Path
) -> None:
    server.desire(first)
    once(device, server)
    server.desire()
    here = once(device, server)

    assert device.label() == "ant"
    assert here.agent.why_not() == ""


@pytest.mark.parametrize("name", ["current", "components", "incoming", "runs", "lock"])
def test_a_further_model_cannot_take_the_place_of_the_folders_own(
    device: DeviceFiles, server: FleetServer, first: Path, tmp_path: Path, name: str
) -> None:
    server.desire(first, component_of(tmp_path / "odd", version="6.6.6", name=name))
    once(device, server)

    assert device.label() == "ant"
    assert server.state_of("6.6.6") == "failed unsafe_name"
