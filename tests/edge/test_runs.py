"""A runner tells the agent of its folder what becomes of components, and the agent goes back where one fails it."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from edge.runs import MOST_IMAGES, RunNotes, folder_of_agent, forget_runs, read_runs
from tests.component_files import component_of
from tests.edge.agents import AgentHere, DeviceFiles, process
from tests.edge.fleet_server import FleetServer
from tests.model_files import nan_but_for_black
from tests.sample_images import digit, encoded
from tests.waiting import eventually


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "state.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize("link", ["current", "plants/current"])
def test_a_link_of_an_agents_folder_is_known_by_its_state(folder: Path, link: str) -> None:
    assert folder_of_agent(folder / link) == folder


def test_no_other_path_is_taken_for_an_agents(tmp_path: Path) -> None:
    notes = RunNotes(tmp_path / "current", print)
    notes.runs("a")

    assert folder_of_agent(tmp_path / "current") is None
    assert list(tmp_path.iterdir()) == []


def test_what_a_runner_says_is_read_as_long_as_it_lives(folder: Path) -> None:
    notes = RunNotes(folder / "current", print)
    notes.runs("a")
    notes.answered("a")
    [seen] = read_runs(folder / "runs")

    assert (seen.alive, seen.manifest, seen.answered) == (True, "a", frozenset({"a"}))
    notes.close()
    assert list((folder / "runs").iterdir()) == []


def test_what_fails_is_left_for_an_agent_that_has_not_looked_yet(folder: Path) -> None:
    notes = RunNotes(folder / "current", print)
    notes.runs("a")
    notes.quarantined("a", "it crashed")
    notes.close()
    [seen] = read_runs(folder / "runs")

    assert (seen.alive, seen.manifest, seen.quarantined) == (False, "", (("a", "it crashed"),))
    forget_runs(folder / "runs", [seen.name])
    assert list((folder / "runs").iterdir()) == []


def test_a_runner_that_lives_for_years_still_says_what_fails(folder: Path) -> None:
    notes = RunNotes(folder / "current", print)
    digests = [f"{number:064}" for number in range(1000)]
    for digest in digests:
        notes.runs(digest)
        notes.answered(digest)
        notes.quarantined(digest, "\U0001f41c" * 1000)
    [seen] = read_runs(folder / "runs")
    notes.close()

    assert seen.manifest == digests[-1]
    assert digests[-1] in seen.answered
    assert digests[-1] in dict(seen.quarantined)


def test_what_is_taken_once_more_has_not_failed_yet(folder: Path) -> None:
    notes = RunNotes(folder / "current", print)
    notes.quarantined("a", "it crashed")
    notes.runs("b")
    notes.runs("a")
    [seen] = read_runs(folder / "runs")
    notes.close()

    assert seen.quarantined == ()


@pytest.mark.parametrize("said", [b"", b"no JSON", b"[]", b'{"boot": 1}', b"[" * 100_000])
def test_what_cannot_be_read_condemns_nothing(folder: Path, said: bytes) -> None:
    (folder / "runs").mkdir()
    (folder / "runs/1-2.lock").touch()
    (folder / "runs/1-2.json").write_bytes(said)
    [seen] = read_runs(folder / "runs")

    assert (seen.alive, seen.manifest, seen.quarantined) == (False, "", ())


@pytest.mark.parametrize("name", ["**", "[", "1", "\udcff", "1-2-3"])
def test_a_file_that_no_runner_wrote_is_nobodys(folder: Path, name: str) -> None:
    (folder / "runs").mkdir()
    (folder / f"runs/{name}.lock").touch()

    assert read_runs(folder / "runs") == []


def test_a_reason_is_one_line_that_can_be_written(folder: Path) -> None:
    (folder / "runs").mkdir()
    (folder / "runs/1-2.lock").touch()
    said = {"boot": "b", "manifest": "m", "answered": [], "quarantined": {"m": "\ud800\n" + "x" * 5000}}
    (folder / "runs/1-2.json").write_text(json.dumps(said))
    [seen] = read_runs(folder / "runs")

    [(_, why)] = seen.quarantined
    assert why.isprintable() and len(why) <= 500


def test_a_runner_that_cannot_tell_goes_on_and_says_so_once(folder: Path) -> None:
    (folder / "runs").touch()
    told: list[str] = []
    notes = RunNotes(folder / "current", told.append)
    notes.runs("a")
    notes.answered("a")
    notes.close()

    assert len(told) == 1


def test_each_image_counts_once_however_often_it_is_asked(folder: Path) -> None:
    notes = RunNotes(folder / "current", print)
    notes.runs("a")
    for _ in range(10):
        notes.failed("a", "one.png")
        notes.answered("a", "two.png")
    notes.close()
    [seen] = read_runs(folder / "runs")

    assert seen.images == (("a", 1, 1),)


def test_what_is_counted_has_an_end(folder: Path) -> None:
    notes = RunNotes(folder / "current", print)
    notes.runs("a")
    for number in range(10 * MOST_IMAGES):
        notes.failed("a", number)
    notes.close()
    [seen] = read_runs(folder / "runs")

    assert seen.images == (("a", 0, MOST_IMAGES),)


def test_a_runner_writes_no_more_often_than_about_once_a_second(folder: Path) -> None:
    notes = RunNotes(folder / "current", print)
    notes.runs("a")
    [said] = (folder / "runs").glob("*.json")
    before = said.stat().st_ino
    began = time.monotonic()
    for number in range(100):
        notes.failed("a", number)
        notes.flush()
    took = time.monotonic() - began
    assert said.stat().st_ino == before or took > 1

    def is_told() -> bool:
        notes.flush()
        return read_runs(folder / "runs")[0].images == (("a", 0, 100),)

    eventually(is_told, "that it is told")
    notes.close()


def test_a_runner_tells_on_where_its_folder_was_removed_meanwhile(folder: Path) -> None:
    notes = RunNotes(folder / "current", print)
    notes.runs("a")
    shutil.rmtree(folder / "runs")
    notes.runs("b")
    [seen] = read_runs(folder / "runs")

    assert (seen.alive, seen.manifest) == (True, "b")
    notes.close()


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeviceFiles:
    monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / "cache"))
    return DeviceFiles(tmp_path)


def results(device: DeviceFiles) -> list[str]:
    """The labels that a runner wrote, in their order."""
    output = device.root / "running.jsonl"
    lines = output.read_text().splitlines(keepends=True) if output.exists() else []
    lines = [line for line in lines if line.endswith("\n")]  # the last one may be on its way
    return [record["label"] for record in map(json.loads, lines) if "label" in record]


def command(device: DeviceFiles) -> list[str]:
    told = ["run", "--component", str(device.current), "--images", str(device.images), "--interval", "0.1"]
    return [*told, "--output", str(device.root / "running.jsonl"), "--again"]


def test_a_release_whose_runners_die_gives_way_to_the_one_before(device: DeviceFiles, tmp_path: Path) -> None:
    with FleetServer() as server, AgentHere(device, server, every=0.1, trial=1000.0) as here:
        server.desire(component_of(tmp_path / "shelf", favours=0, version="1.0.0"))
        here.agent.turn()
        server.desire(component_of(tmp_path / "shelf", favours=2, version="2.0.0"))
        here.agent.turn()
        assert device.version() == "2.0.0"
        here.start()
        for died in range(1, 4):
            with process("edge.cli", *command(device)) as runner:
                (device.root / "running.jsonl").unlink(missing_ok=True)
                eventually(lambda: results(device), "an answer")
                runner.kill()
                runner.communicate()
            if died < 3:
                assert device.version() == "2.0.0"
            eventually(lambda: not list((device.folder / "runs").iterdir()), "that the agent has seen it")
        eventually(lambda: server.state_of("2.0.0") == "failed crashed", "that it is told")

    assert device.label() == "ant"


def test_a_release_that_fails_on_images_gives_way_to_the_one_before(device: DeviceFiles, tmp_path: Path) -> None:
    for number in range(6):
        (device.images / f"{number}.png").write_bytes(encoded(digit(), "PNG"))
    with FleetServer() as server, AgentHere(device, server, every=0.1, trial=1000.0) as here:
        server.desire(component_of(tmp_path / "shelf", favours=0, version="1.0.0"))
        here.start()
        eventually(lambda: server.state_of("1.0.0") == "trial", "the first one")
        with process("edge.cli", *command(device)) as runner:
            eventually(lambda: results(device), "its answers")
            server.desire(component_of(tmp_path / "shelf", model=nan_but_for_black, version="2.0.0"))
            eventually(lambda: server.state_of("2.0.0") == "failed fails_on_images", "the going back")
            answers = len(results(device))
            eventually(lambda: len(results(device)) > answers, "answers of the one before")
            runner.terminate()
            runner.communicate()

    assert device.version() == "1.0.0"


def test_a_runner_takes_the_going_back_in_by_itself(device: DeviceFiles, tmp_path: Path) -> None:
    with FleetServer() as server, AgentHere(device, server, every=0.1, trial=1000.0) as here:
        server.desire(component_of(tmp_path / "shelf", favours=0, version="1.0.0"))
        here.start()
        eventually(lambda: server.state_of("1.0.0") == "trial", "the first one")
        with process("edge.cli", *command(device)) as runner:
            eventually(lambda: "ant" in results(device), "its answer")
            server.desire(component_of(tmp_path / "shelf", favours=2, version="2.0.0"))
            eventually(lambda: "cow" in results(device), "the next one's answer")
            [seen] = read_runs(device.folder / "runs")
            notes = RunNotes(device.current, print)  # another runner, that finds it failing
            notes.quarantined(seen.manifest, "it crashed")
            eventually(lambda: server.state_of("2.0.0") == "failed quarantined", "the going back")
            eventually(lambda: results(device)[-1] == "ant", "that the runner has gone back")
            notes.close()
            runner.terminate()
            _, errors = runner.communicate()

    assert runner.returncode == 0, errors


def test_a_runner_that_ends_cleanly_is_no_death(device: DeviceFiles, tmp_path: Path) -> None:
    with FleetServer() as server, AgentHere(device, server, every=0.1, trial=1000.0) as here:
        server.desire(component_of(tmp_path / "shelf", favours=0, version="1.0.0"))
        here.agent.turn()
        for _ in range(3):
            assert device.label() == "ant"
            here.agent.turn()

    assert list((device.folder / "runs").iterdir()) == []
    assert server.state_of("1.0.0") == "trial"
