"""What `hotswap fleet push` promises: a release comes to those that follow, in steps, and its archive to the shelf."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fleet.fleet import Fleet
from models.components.component import Component
from models.reference import sha256_of
from models.signatures.trusted import TrustedKeys
from tests.component_files import component, repacked
from tests.launch.commands.fleet.conftest import FleetCommand
from tests.launch.commands.fleet.telling import animals, say
from tests.launch.commands.hotswap_command import Command, drop, error_line, model_id
from tests.models.signatures.makers import Maker
from tests.waiting import eventually

SHELF = Path("fleet.shelf")


@pytest.fixture
def four(fleet: Fleet) -> Fleet:
    """Four devices that follow the live model."""
    for number in range(4):
        fleet.devices.add(f"robot-{number}")
    return fleet


def comes_on(fleet: Fleet) -> bool:
    """Takes rollouts on, as a server does; whether all are done."""
    fleet.advance()
    return all(each.rollout.state == "done" for each in fleet.rollouts.status())


def versions(told: Callable[..., Any], name: str) -> list[str]:
    return [model["version"] for each in told("list") for model in each["desired"] if model["name"] == name]


def test_a_model_file_becomes_a_release_that_devices_get_without_a_server(
    told: Callable[..., Any], four: Fleet
) -> None:
    drop("digits.onnx", name="digits")

    document = told("push", "digits.onnx")

    (release,) = document["releases"]
    assert (release["name"], release["version"], release["model_id"]) == ("model", "1.0.0", model_id("digits.onnx"))
    archive = Path(release["uri"])
    assert archive == SHELF.absolute() / "model/1.0.0/model-1.0.0-linux-x86_64.zip"
    assert (sha256_of(archive), archive.stat().st_size) == (release["sha256"], release["size"])
    assert document["changed"] == 4
    assert {model["sha256"] for each in told("list") for model in each["desired"]} == {release["sha256"]}


def test_the_same_model_is_packaged_once_and_another_gets_the_next_version(
    told: Callable[..., Any], four: Fleet
) -> None:
    drop("digits.onnx")
    first, again = told("push", "digits.onnx"), told("push", "digits.onnx")
    drop("digits.onnx", favours=2)
    other = told("push", "digits.onnx")

    assert again["releases"] == first["releases"]
    assert [each["version"] for each in other["releases"]] == ["2.0.0"]
    assert versions(told, "model") == ["2.0.0"] * 4


def test_a_release_is_made_for_every_target_that_devices_have(told: Callable[..., Any], four: Fleet) -> None:
    four.devices.add("jetson", target="linux-aarch64")
    drop("digits.onnx")
    assert [each["target"] for each in told("push", "digits.onnx")["releases"]] == ["linux-aarch64", "linux-x86_64"]
    assert versions(told, "model") == ["1.0.0"] * 5


def test_the_first_step_reaches_its_share_and_a_server_is_named_for_the_others(
    fleet_command: FleetCommand, told: Callable[..., Any], four: Fleet
) -> None:
    outcome = fleet_command(
        "push", animals(), "--all-devices", "--rollout", "50,100", "--pause", "60", "--halt-above", "30"
    )

    assert outcome.code == 0
    assert "2 of 4 devices" in outcome.out
    assert "`hotswap fleet serve` carries it on, to 100 %" in outcome.out
    assert len(versions(told, "animals")) == 2
    (rollout,) = told("status")["rollouts"]
    assert (rollout["pause_seconds"], rollout["halt_percent"], rollout["state"]) == (60.0, 30.0, "running")


def test_a_rollout_is_halted_gone_on_with_and_taken_back(told: Callable[..., Any], four: Fleet) -> None:
    told("push", animals("1.0.0", 0), "--all-devices")
    for device in told("list"):
        say(four, device["device"], "running")
    four.advance()
    told("push", animals("2.0.0", 1), "--rollout", "50,100")

    assert told("push", "animals", "--halt")["rollouts"][0]["state"] == "halted"
    assert told("push", "animals", "--resume")["rollouts"][0]["state"] == "running"
    back = told("push", "animals", "--back")
    assert (back["rollouts"][0]["version"], back["changed"]) == ("1.0.0", 2)
    assert versions(told, "animals") == ["1.0.0"] * 4


def test_a_release_on_record_is_pushed_by_name_or_by_version(told: Callable[..., Any], four: Fleet) -> None:
    told("push", animals("2.0.0", 0), "--all-devices")
    told("push", animals("10.0.0", 1))
    assert versions(told, "animals") == ["10.0.0"] * 4

    assert told("push", "animals@2.0.0")["rollouts"][0]["version"] == "2.0.0"
    assert versions(told, "animals") == ["2.0.0"] * 4
    assert told("push", "animals")["rollouts"][0]["version"] == "10.0.0"


def test_releases_on_record_are_listed_as_push_takes_them(
    told: Callable[..., Any], fleet_command: FleetCommand, four: Fleet
) -> None:
    assert "no release" in fleet_command("list", "--releases").out
    pushed = [told("push", animals(version))["releases"][0] for version in ("2.0.0", "10.0.0")]
    assert told("list", "--releases") == pushed
    lines = fleet_command("list", "--releases").out.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["animals@2.0.0", "animals@10.0.0"]
    assert told("push", lines[0].split("\t")[0])["rollouts"][0]["version"] == "2.0.0"
    assert fleet_command("list", "--releases", "--group", "hall").code == 2


def test_a_rollout_is_followed_until_it_is_done_or_halted(
    told: Callable[..., Any], fleet_command: FleetCommand, four: Fleet
) -> None:
    told("push", animals(), "--all-devices")
    with ThreadPoolExecutor(1) as devices:
        reports = [devices.submit(say, four, f"robot-{number}", "running") for number in range(4)]
        following = devices.submit(lambda: eventually(lambda: comes_on(four), "the end of the rollout"))
        outcome = fleet_command("status", "--follow")
        for each in reports:
            each.result()
        following.result()
    assert outcome.code == 0
    assert outcome.last_line.startswith("done animals 1.0.0: reached 4 of 4 devices: 4 run it")
    told("push", animals("2.0.0", 1), "--rollout", "50,100")
    told("push", "animals", "--halt")
    halted = fleet_command("status", "--follow")
    assert halted.code == 1
    assert halted.last_line.startswith("halted animals 2.0.0: reached 2 of 4 devices: ")


def test_a_component_comes_to_a_group_alone(told: Callable[..., Any], fleet_command: FleetCommand, four: Fleet) -> None:
    fleet_command("assign", "robot-1", "robot-3", "--join", "hall")
    assert told("push", animals(), "--group", "hall")["rollouts"][0]["followers"] == 2
    with_it = [each["device"] for each in told("list") if each["desired"]]
    assert with_it == ["robot-1", "robot-3"]


def test_a_component_comes_to_several_groups_by_a_rollout_each(
    told: Callable[..., Any], fleet_command: FleetCommand, four: Fleet
) -> None:
    fleet_command("assign", "robot-1", "--join", "hall")
    fleet_command("assign", "robot-3", "--join", "yard")
    document = told("push", animals(), "--group", "hall", "--group", "yard")
    assert [each["group"] for each in document["rollouts"]] == ["hall", "yard"]
    assert [each["device"] for each in told("list") if each["desired"]] == ["robot-1", "robot-3"]
    assert [each["device"] for each in told("list", "--group", "hall", "--group", "yard")] == ["robot-1", "robot-3"]


def test_a_device_that_is_named_gets_it_pinned(told: Callable[..., Any], four: Fleet) -> None:
    document = told("push", animals(), "--device", "robot-2")
    assert document["pinned"] == [{"device": "robot-2", "name": "animals", "version": "1.0.0"}]
    assert document["rollouts"] == []
    assert [each["device"] for each in told("list") if each["desired"]] == ["robot-2"]


def test_whoever_is_told_otherwise_is_not_made_to_follow(told: Callable[..., Any], four: Fleet) -> None:
    told("push", animals("1.0.0", 0), "--device", "robot-0")
    told("assign", "robot-1", "--component", "animals", "--version", "nothing")
    told("push", animals("2.0.0", 1), "--all-devices")
    assert versions(told, "animals") == ["1.0.0", "2.0.0", "2.0.0"]


def test_where_nobody_follows_people_are_told_how_they_would(fleet_command: FleetCommand, four: Fleet) -> None:
    outcome = fleet_command("push", animals())
    assert outcome.code == 0
    assert "no device follows animals" in outcome.err
    assert "--all-devices" in outcome.err


def test_devices_that_no_archive_is_made_for_are_named(
    fleet_command: FleetCommand, told: Callable[..., Any], four: Fleet
) -> None:
    four.devices.add("jetson", target="linux-aarch64")
    outcome = fleet_command("push", animals(), "--all-devices")
    assert outcome.code == 0
    assert "jetson" in outcome.err
    assert told("push", "animals")["without_archive"] == {"animals": ["jetson"]}

    both = told("push", animals(), animals(target="linux-aarch64"))
    assert both["without_archive"] == {}
    assert versions(told, "animals") == ["1.0.0"] * 5


def test_the_newest_valid_model_of_a_folder_is_pushed_or_all_of_them(told: Callable[..., Any], four: Fleet) -> None:
    Path("zoo").mkdir()
    drop("zoo/older.onnx", favours=0, age=300, name="cats")
    drop("zoo/old.onnx", favours=1, age=200, name="cats")
    drop("zoo/new.onnx", favours=2, age=100, name="digits")
    drop("zoo/bad.onnx", finite=False)

    assert [each["model_id"] for each in told("push", "--latest", "zoo")["releases"]] == [model_id("zoo/new.onnx")]
    every = told("push", "--all", "zoo")

    made = {each["name"]: each["model_id"] for each in every["releases"]}
    assert made == {"model": model_id("zoo/new.onnx"), "cats": model_id("zoo/old.onnx")}
    assert [[model["name"] for model in each["desired"]] for each in told("list")] == [["model", "cats"]] * 4


def test_the_signature_beside_a_component_comes_with_it(
    hotswap: Command, told: Callable[..., Any], four: Fleet, tmp_path: Path
) -> None:
    drop("cats.onnx")
    maker = Maker(tmp_path / "keys", "maker")
    hotswap("package", "cats.onnx", "elsewhere", "--version", "1.2.3", "--sign", str(maker.private))

    (release,) = told("push", "elsewhere/cats/1.2.3/cats-1.2.3-linux-x86_64.zip", "--all-devices")["releases"]

    (model,) = four.twins.read("robot-0").models
    assert release["signed"] and model.signature is not None
    assert TrustedKeys([maker.public.read_text()]).require_signed(Path(release["uri"]), model.signature.encode())
    assert Path(f"{release['uri']}.sig").read_text() == model.signature


def test_models_are_signed_where_a_key_is_given(told: Callable[..., Any], four: Fleet, tmp_path: Path) -> None:
    drop("cats.onnx")
    maker = Maker(tmp_path / "keys", "maker")
    (release,) = told("push", "cats.onnx", "--sign", str(maker.private))["releases"]
    (model,) = four.twins.read("robot-0").models
    assert model.signature is not None
    assert TrustedKeys([maker.public.read_text()]).require_signed(Path(release["uri"]), model.signature.encode())


def test_the_shelf_that_is_named_once_is_kept(told: Callable[..., Any], four: Fleet) -> None:
    drop("cats.onnx")
    told("push", "cats.onnx", "--shelf", "elsewhere")
    drop("cats.onnx", favours=2)
    (release,) = told("push", "cats.onnx")["releases"]
    assert Path(release["uri"]).parent == Path("elsewhere/model/2.0.0").absolute()


@pytest.mark.parametrize("made_of", ["a model", "a component"])
def test_an_archive_that_was_lost_from_the_shelf_comes_back(
    fleet_command: FleetCommand, told: Callable[..., Any], four: Fleet, made_of: str
) -> None:
    drop("digits.onnx")
    what = "digits.onnx" if made_of == "a model" else animals()
    (release,) = told("push", what)["releases"]
    shutil.rmtree(SHELF)

    outcome = fleet_command("push", release["name"])
    assert outcome.code == 1
    assert "is gone" in error_line(outcome)
    assert told("push", what)["releases"] == [release]

    assert sha256_of(Path(release["uri"])) == release["sha256"]
    assert fleet_command("push", release["name"]).code == 0


def test_an_archive_that_was_damaged_on_the_shelf_is_another_version(told: Callable[..., Any], four: Fleet) -> None:
    drop("digits.onnx")
    (release,) = told("push", "digits.onnx")["releases"]
    Path(release["uri"]).write_bytes(b"cut")
    (other,) = told("push", "digits.onnx")["releases"]
    assert (other["version"], sha256_of(Path(other["uri"]))) == ("2.0.0", other["sha256"])


@pytest.mark.parametrize("fault", ["damaged", "more", "no component", "cut"])
def test_a_component_that_a_device_would_refuse_reaches_no_shelf(
    fleet_command: FleetCommand, told: Callable[..., Any], four: Fleet, fault: str
) -> None:
    archive = Path(animals())
    if fault == "damaged":
        repacked(archive, lambda members: members.update({"model.onnx": members["model.onnx"][:-1] + b"?"}))
    elif fault == "more":
        repacked(archive, lambda members: members.update({"../evil": b"evil"}))
    elif fault == "no component":
        archive.write_bytes(b"no archive at all")
    else:
        archive.write_bytes(archive.read_bytes()[:-100])

    outcome = fleet_command("push", str(archive), "--all-devices")

    assert outcome.code == 1
    assert "cannot be pushed" in error_line(outcome)
    assert not SHELF.exists()
    assert told("status")["rollouts"] == []
    assert told("list")[0]["assigned"] == {"model": "live"}


def test_a_version_with_other_bytes_is_refused_before_anything_is_written(
    fleet_command: FleetCommand, told: Callable[..., Any], four: Fleet
) -> None:
    told("push", animals(favours=0), "--all-devices")
    before = told("list"), told("status"), sorted(SHELF.rglob("*"))

    outcome = fleet_command("push", animals(favours=1))

    assert outcome.code == 1
    assert "never changes" in error_line(outcome)
    assert (told("list"), told("status"), sorted(SHELF.rglob("*"))) == before


def test_a_component_for_another_machine_is_taken_in_here(told: Callable[..., Any], fleet: Fleet) -> None:
    fleet.devices.add("jetson", target="linux-aarch64", follow="animals")
    archive = Path(animals(target="linux-aarch64"))
    said: Component = component(archive)
    (release,) = told("push", str(archive))["releases"]
    assert (release["target"], release["model_id"]) == ("linux-aarch64", said.model_id)
    assert versions(told, "animals") == ["1.0.0"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nothing",), "nothing"),
        (("animals@9.9.9",), "9.9.9"),
        (("\x1b[2J",), "x1b"),
        (("absent.zip",), "absent.zip"),
        (("absent.onnx",), "absent.onnx"),
        (("--latest", "absent"), "absent"),
        (("--latest", "empty"), "empty"),
        (("--all", "cats.onnx"), "--all"),
        (("--latest", "cats.onnx", "dogs.onnx"), "quote"),
        (("--latest", "--all", "empty"), "one at a time"),
        (("animals", "--back", "--all-devices"), "--back"),
        (("animals", "--halt", "--group", "hall"), "hall"),
        (("animals", "--device", "robot-9"), "robot-9"),
        (("animals", "--group", "cellar"), "cellar"),
        (("animals", "--group", "hall", "--all-devices"), "one at a time"),
        (("animals", "--device", "robot-1", "--rollout", "50,100"), "--rollout"),
        (("animals", "--rollout", "50"), "100"),
        (("animals", "--rollout", "most"), "most"),
        (("animals", "--pause", "-1"), "pause"),
        (("animals", "--halt-above", "101"), "percent"),
        (("animals", "--resume"), "halted"),
        (("model", "--back"), "model"),
        (("cats.onnx", "--component", "a/b"), "a/b"),
        (("cats.onnx", "--shelf", "ftp://host/x"), "ftp://host/x"),
        (("cats.onnx", "--calibration", "x"), "--precision int8"),
        (("animals", "--component", "cats"), "--component"),
        (("animals", "--max-batch-size", "2"), "--max-batch-size"),
        (("animals", "--precision", "fp32"), "--precision"),
        (("animals", "--shelf", "elsewhere"), "--shelf"),
        (("animals", "--resume", "--pause", "3"), "--pause"),
        (("animals", "--halt", "--rollout", "50,100"), "--rollout"),
        (("animals", "--back", "--engine", "onnx"), "--engine"),
        (("animals", "--device", "robot-1", "--halt-above", "20"), "--halt-above"),
        (("animals", "--device", "robot-1", "--pause", "3"), "--pause"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line_and_changes_nothing(
    fleet_command: FleetCommand, told: Callable[..., Any], four: Fleet, arguments: tuple[str, ...], words: str
) -> None:
    told("push", animals(), "--device", "robot-1")
    drop("cats.onnx")
    Path("empty").mkdir()
    before = told("list"), told("status")

    outcome = fleet_command("push", *arguments)

    assert outcome.code == 2
    assert words in error_line(outcome)
    assert error_line(outcome).isprintable()
    assert (told("list"), told("status")) == before


def test_a_model_that_is_rejected_is_told_and_rolls_nothing_out(
    fleet_command: FleetCommand, told: Callable[..., Any], four: Fleet
) -> None:
    drop("bad.onnx", finite=False)
    outcome = fleet_command("push", "bad.onnx")
    assert outcome.code == 1
    assert "non_finite_output" in outcome.err
    assert "nothing was pushed" in error_line(outcome)
    assert told("status")["rollouts"] == []
