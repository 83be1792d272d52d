"""What `docs/devices.md` has people type on one machine, and for a first device, is run as it stands."""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fleet.running_fleet import running_fleet
from tests.waiting import eventually_alive

pytestmark = pytest.mark.end_to_end

_ROOT = Path(__file__).parents[2]
_PAGE = (_ROOT / "docs" / "devices.md").read_text()
_SERVER = "http://127.0.0.1:8600"
_PATIENCE_SECONDS = 120.0
_LAYOUT = {"current", "components", "incoming", "state.json", "lock", "runs"}


def block(*after: str) -> list[str]:
    """The lines of the first block of code after some lines; a command that goes over several lines is one."""
    rest = _PAGE
    for line in after:
        assert line in rest
        rest = rest.partition(line)[2]
    found = re.search(r"^```\n(.*?)^```", rest, re.MULTILINE | re.DOTALL)
    assert found is not None, after
    return re.sub(r"\\\n *", "", found[1]).splitlines()


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """`~/fleet` as the first block leaves it, and in it what installing the wheel leaves: tests of its own do that."""
    clone = tmp_path / "clone"
    clone.mkdir()
    for each in _ROOT.iterdir():
        if not each.name.startswith("."):
            (clone / each.name).symlink_to(each)
    setup, activate, *commands = block("## On one machine")
    assert (setup, activate) == ("make setup wheels", ". .venv/bin/activate")
    assert " && cp dist/hotswap_edge-*.whl ~/fleet && " in commands[0]
    commands[0] = commands[0].replace("cp dist/hotswap_edge-*.whl ~/fleet && ", "")
    ran(clone, tmp_path, "\n".join(commands))
    program = tmp_path / "fleet/on-device/bin/hotswap-edge"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nPYTHONPATH={_ROOT} exec {sys.executable} -m edge.cli "$@"\n')
    program.chmod(0o755)
    return tmp_path / "fleet"


def environment(home: Path) -> dict[str, str]:
    """Of a shell in whose home it happens."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return os.environ | {"HOME": str(home), "PATH": path, "PYTHONPATH": str(_ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}


def ran(place: Path, home: Path, commands: str) -> str:
    """What commands print in a folder."""
    done = subprocess.run(
        ["bash", "-ec", commands], cwd=place, env=environment(home), capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def running(place: Path, command: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A command under way, and what it says; asked to end, it ends with code 0."""
    log = place / f"{command.split()[1]}.log"
    with log.open("wb") as writing:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"], cwd=place, env=environment(place.parent), stdout=writing, stderr=writing
        )
    try:
        yield process, log
        process.terminate()
        assert process.wait(_PATIENCE_SECONDS) == 0, log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def said(process: subprocess.Popen[bytes], log: Path, line: str) -> None:
    """Waits for a line."""
    eventually_alive(process, log.read_text, lambda: line in log.read_text(), line, _PATIENCE_SECONDS)


def test_a_device_on_one_machine_takes_the_second_model_as_shown(fleet: Path, tmp_path: Path) -> None:
    install, *before, serve = block("All else happens in")
    assert install == "python -m venv on-device && on-device/bin/pip install hotswap_edge-*.whl"
    ran(fleet, tmp_path, "\n".join(before))
    assert shlex.split(serve) == shlex.split("hotswap fleet serve --models 'models/*' --database fleet.db")
    [agent] = block("the device's agent:")
    run, shown = block("In a third one")
    publish, listing = block("Now publish another model")
    with (
        running_fleet(fleet) as server,
        running(fleet, agent.replace(_SERVER, server.url)) as (keeps, told),
        running(fleet, run) as (answers, printed),
    ):
        server.said(r"^packaged model 1\.0\.0")
        said(keeps, told, "current: model 1.0.0")
        said(answers, printed, shown)
        ran(fleet, tmp_path, publish)
        said(keeps, told, "current: model 2.0.0")
        said(answers, printed, "taken: model 2.0.0")
        live = json.loads((fleet / "device/current/manifest.json").read_text())["model_id"]
        eventually_alive(
            answers, printed.read_text, lambda: live in (fleet / "results.jsonl").read_text(), live, _PATIENCE_SECONDS
        )
        assert "laptop\ttrial\tmodel 2.0.0" in ran(fleet, tmp_path, listing)
    assert {each.name for each in (fleet / "device").iterdir()} == _LAYOUT
    assert set(re.findall(r"DIR/([\w.]+)", _PAGE.partition("\nDIR/current -> ")[2].partition("```")[0])) >= _LAYOUT - {
        "current"
    }


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes keys and certificates")
def test_the_first_device_takes_what_is_signed_over_tls_as_shown(fleet: Path, tmp_path: Path) -> None:
    on_device = {"/opt/hotswap-edge/bin/": "on-device/bin/", "linux-aarch64": f"linux-{platform.machine()}"}
    package, _ = block("**2. The first line**")
    *look, shown = block("**2. The first line**", "On the device:")
    *prepare, add, serve = block("**3. A fleet.**")
    ran(fleet, tmp_path, adapted(package, on_device))
    for carried in (*fleet.glob("shelf/digits/1.0.0/*.zip"), fleet / "images/digit.png"):
        shutil.copy(carried, fleet)
    assert ran(fleet, tmp_path, adapted("\n".join(look), on_device)) == f"{shown}\n"

    own = on_device | {"DNS:fleet.example": "IP:127.0.0.1"}
    ran(fleet, tmp_path, adapted("\n".join([*prepare, add]), own))
    beside_address = shlex.split(serve)[shlex.split(serve).index("--sign") :]
    without_host = [each for each in beside_address if each not in ("--host", "0.0.0.0")]
    absolute = [str(fleet / each) if (fleet / each).is_file() else each for each in without_host]
    assert {"--sign", "--tls-cert", "--tls-key"} <= set(absolute)
    with running_fleet(fleet, *absolute) as server:
        server.said(r"^rollout of model 1\.0\.0")
        ran(
            fleet,
            tmp_path,
            f"on-device/bin/hotswap-edge agent --server {server.url} --device robot-7 --token-file robot-7.token "
            "--folder device --trusted-key key.pub --ca ca.pem --once",
        )
    component = "on-device/bin/hotswap-edge run --component device/current --images photos --interval 0"
    assert ran(fleet, tmp_path, component) == f"{shown}\n"


def adapted(commands: str, names: dict[str, str]) -> str:
    """As they are for this machine."""
    for shown, here in names.items():
        commands = commands.replace(shown, here)
    return commands
