"""What `hotswap fleet add` and `remove` promise: a device and its token come together, and go together."""

from __future__ import annotations

import errno
import os
import shlex
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fleet.fleet import Fleet
from tests.fleet import simulated
from tests.launch.commands.fleet.conftest import FleetCommand
from tests.launch.commands.fleet.telling import DATABASE
from tests.launch.commands.hotswap_command import error_line
from tests.models.signatures.makers import Maker


def devices() -> list[str]:
    with Fleet(DATABASE) as fleet:
        return [each.name for each in fleet.devices.all()]


def admits(device: str, file: str) -> bool:
    with Fleet(DATABASE) as fleet:
        return simulated.admits(fleet, device, Path(file).read_text().strip())


def test_a_device_follows_the_live_model_and_its_token_is_in_the_file(fleet_command: FleetCommand) -> None:
    outcome = fleet_command("add", "robot-7", "--token-file", "token")

    assert outcome.code == 0
    assert admits("robot-7", "token")
    token = Path("token").read_text()
    assert token.count("\n") == 1 and "\0" not in token
    assert token.strip() not in outcome.out + outcome.err
    with Fleet(DATABASE) as fleet:
        assert fleet.assignments.effective() == {"robot-7": {"model": "live"}}


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277])
def test_its_owner_alone_can_read_a_token(fleet_command: FleetCommand, umask: int) -> None:
    before = os.umask(umask)
    try:
        assert fleet_command("add", "robot-7", "--token-file", "token").code == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(Path("token").stat().st_mode) == 0o600


def test_it_says_what_to_run_on_the_device(fleet_command: FleetCommand) -> None:
    outcome = fleet_command("add", "robot-7", "--token-file", "a token", "--server", "https://fleet.example:8600")

    command = shlex.split(outcome.last_line.partition(": ")[2])
    assert command[:2] == ["hotswap-edge", "agent"]
    assert command[command.index("--server") + 1] == "https://fleet.example:8600"
    assert command[command.index("--device") + 1] == "robot-7"
    assert command[command.index("--token-file") + 1] == "a token"
    assert "--folder" in command and "--trusted-key" in command


def test_what_it_says_to_run_is_what_an_agent_takes(fleet_command: FleetCommand, tmp_path: Path) -> None:
    outcome = fleet_command("add", "robot-7", "--token-file", "token")
    key = Maker(tmp_path / "keys", "maker").public
    command = outcome.last_line.partition(": ")[2].replace("DIR", "folder").replace("KEY.pub", str(key))
    program = [sys.executable, "-m", "edge.cli", *shlex.split(command)[1:], "--once"]
    root = Path(__file__).parents[4]
    done = subprocess.run(program, env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr  # nobody is at SERVER
    assert "--insecure" not in done.stderr and "usage" not in done.stderr


@pytest.mark.parametrize("is_link", [False, True])
def test_a_token_is_never_written_over_a_file_or_through_a_link(fleet_command: FleetCommand, is_link: bool) -> None:
    if is_link:
        Path("token").symlink_to("elsewhere")
    else:
        Path("token").write_text("precious")

    outcome = fleet_command("add", "robot-7", "--token-file", "token")

    assert outcome.code == 2
    assert "token is there" in error_line(outcome)
    assert devices() == []
    assert not Path("elsewhere").exists()
    assert is_link or Path("token").read_text() == "precious"


def test_a_device_that_is_there_is_refused_in_a_line_and_keeps_its_token(fleet_command: FleetCommand) -> None:
    fleet_command("add", "robot-7", "--token-file", "token")

    outcome = fleet_command("add", "robot-7", "--token-file", "other")

    assert outcome.code == 2
    assert "--new-token" in error_line(outcome)
    assert not Path("other").exists()
    assert admits("robot-7", "token")


def test_a_new_token_takes_the_place_of_the_old_one(fleet_command: FleetCommand) -> None:
    fleet_command("add", "robot-7", "--token-file", "token")

    assert fleet_command("add", "robot-7", "--token-file", "other", "--new-token").code == 0
    assert admits("robot-7", "other")
    assert not admits("robot-7", "token")

    absent = fleet_command("add", "robot-8", "--token-file", "third", "--new-token")
    assert absent.code == 2
    assert "there is no device robot-8" in error_line(absent)
    assert not Path("third").exists()


def test_where_the_disk_is_full_there_is_neither_device_nor_file(
    fleet_command: FleetCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    outcome = fleet_command("add", "robot-7", "--token-file", "token")

    assert outcome.code == 1
    assert "No space left" in error_line(outcome)
    assert devices() == []
    assert not Path("token").exists()


def test_a_token_that_cannot_be_kept_leaves_no_device(
    fleet_command: FleetCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        outcome = fleet_command("add", "robot-7", "--token-file", "token", "--group", "kitchen")

    assert outcome.code == 1
    assert devices() == []
    assert not Path("token").exists()
    assert fleet_command("add", "robot-7", "--token-file", "token", "--group", "kitchen").code == 0


def test_a_folder_that_is_not_there_is_one_line(fleet_command: FleetCommand) -> None:
    outcome = fleet_command("add", "robot-7", "--token-file", "nowhere/token")
    assert outcome.code == 2
    assert "nowhere/token" in error_line(outcome)
    assert devices() == []


@pytest.mark.parametrize("of", ["one device", "one file"])
def test_of_many_at_once_one_wins_and_the_others_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of: str
) -> None:
    def adding(number: int) -> list[str]:
        device, file = ("robot", f"token-{number}") if of == "one device" else (f"robot-{number}", "token")
        return [sys.executable, "-m", "launch.cli", "fleet", "add", device, "--token-file", file]

    root = Path(__file__).parents[4]
    running = [
        subprocess.Popen(
            [*adding(number), "--database", DATABASE],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(root)},
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        for number in range(3)
    ]
    told = [process.communicate()[1] for process in running]

    assert sorted(process.returncode for process in running) == [0, 2, 2], told
    assert sum(line.startswith("error: ") for text in told for line in text.splitlines()) == 2
    monkeypatch.chdir(tmp_path)
    (file,) = map(str, Path().glob("token*"))
    (device,) = devices()
    assert admits(device, file)


@pytest.mark.parametrize(
    "name",
    ["", ".hidden", "../robot", "a/b", "a b", "robot\n", "\x1b[2Jrobot", "robot\u202e", "rébot", "x" * 129, "[red]x"],
)
def test_a_hostile_name_is_refused_in_a_line_that_moves_no_cursor(fleet_command: FleetCommand, name: str) -> None:
    for arguments in (("add", name), ("add", "robot", "--group", name), ("add", "robot", "--component", name)):
        outcome = fleet_command(*arguments, "--token-file", "token")
        assert outcome.code == 2
        assert error_line(outcome).isprintable()
        assert not Path("token").exists()
    assert not Path(DATABASE).exists() or devices() == []


def test_groups_and_further_components_are_made_with_it(fleet_command: FleetCommand, told: Callable[..., Any]) -> None:
    more = ("--group", "kitchen", "--group", "hall", "--component", "digits", "--component", "cats")
    outcome = fleet_command("add", "robot-7", "--token-file", "token", *more, "--target", "linux-aarch64")

    assert outcome.code == 0
    (device,) = told("list")
    assert device["groups"] == ["hall", "kitchen"]
    assert device["assigned"] == {"cats": "live", "digits": "live"}
    assert device["target"] == "linux-aarch64"


def test_for_scripts_it_tells_where_the_token_is_and_never_which(told: Callable[..., Any]) -> None:
    document = told("add", "robot-7", "--token-file", "token")
    assert document["device"] == "robot-7"
    assert document["token_file"] == "token"
    assert Path("token").read_text().strip() not in str(document)


def test_a_device_that_is_removed_is_let_in_no_more(fleet_command: FleetCommand) -> None:
    fleet_command("add", "robot-7", "--token-file", "token")
    fleet_command("add", "robot-8", "--token-file", "other")

    assert fleet_command("remove", "robot-7").code == 0
    assert devices() == ["robot-8"]
    assert not admits("robot-7", "token")


def test_of_devices_and_groups_all_go_or_none(fleet_command: FleetCommand, told: Callable[..., Any]) -> None:
    fleet_command("add", "robot-7", "--token-file", "token", "--group", "kitchen")

    for arguments in (("robot-7", "robot-9"), ("robot-7", "--group", "cellar"), ()):
        outcome = fleet_command("remove", *arguments)
        assert outcome.code == 2
        assert error_line(outcome)
        assert devices() == ["robot-7"]

    assert told("remove", "robot-7", "--group", "kitchen") == {"devices": ["robot-7"], "groups": ["kitchen"]}
    assert devices() == []
