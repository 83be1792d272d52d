"""The units for systemd start what there is, take from it what it does not need, and leave what confinement needs."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge.options import USAGE_ERROR, parser
from models.confinement.proving import what_is_reached

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "edge").glob("*.service"))
LEFT_ALONE = ("MemoryDenyWriteExecute", "ProcSubset", "ProtectProc", "RestrictNamespaces", "RootDirectory", "RootImage")
CONFINED_BY = {
    "capset", "clone", "clone3", "ioctl", "landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self",
    "memfd_create", "prctl", "prlimit64", "seccomp", "setrlimit", "unshare",
}  # fmt: skip
MOST_EXPOSED = 40
"""Of 100, as `systemd-analyze security` counts; what is hardened no further has 96."""

by_name = pytest.mark.parametrize("unit", UNITS, ids=[unit.name for unit in UNITS])
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def settings(unit: Path) -> dict[str, str]:
    text = unit.read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if "=" in line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines if not line.startswith("Environment"))


def test_there_is_one_for_the_agent_and_one_for_runners() -> None:
    assert [unit.name for unit in UNITS] == ["hotswap-edge-agent.service", "hotswap-edge-run@.service"]


@by_name
def test_it_starts_a_command_that_there_is(unit: Path) -> None:
    program, *arguments = shlex.split(settings(unit)["ExecStart"])
    filled = [each.replace("${INTERVAL}", "3") for each in arguments if each != "$ARGUMENTS"]

    assert program == "/opt/hotswap-edge/bin/hotswap-edge"
    assert parser().parse_args(filled).verb == ("agent" if "agent" in unit.name else "run")


def test_an_agent_that_was_told_nonsense_is_not_started_again_and_again() -> None:
    [unit] = (each for each in UNITS if "agent" in each.name)
    assert settings(unit)["RestartPreventExitStatus"] == str(USAGE_ERROR)


@by_name
def test_it_takes_nothing_that_confinement_and_engines_need(unit: Path) -> None:
    assert not settings(unit).keys() & set(LEFT_ALONE)


@by_name
@needs_systemd
def test_no_system_call_is_filtered_that_a_model_is_confined_by(unit: Path) -> None:
    filtered = settings(unit)["SystemCallFilter"]
    assert filtered.startswith("~")
    denied: set[str] = set()
    groups = filtered.removeprefix("~").split()
    while groups:
        listed = subprocess.run(
            ["systemd-analyze", "syscall-filter", groups.pop()], capture_output=True, text=True, check=True
        )
        lines = [line.strip() for line in listed.stdout.splitlines() if line.startswith("    ")]
        groups += [line for line in lines if line.startswith("@")]
        denied |= {line for line in lines if not line.startswith(("@", "#"))}

    assert len(denied) > 20
    assert denied & CONFINED_BY == set()


@by_name
@needs_systemd
def test_systemd_understands_all_of_it(unit: Path) -> None:
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)

    assert [line for line in done.stderr.splitlines() if unit.stem in line and "is not executable" not in line] == []


@by_name
@needs_systemd
def test_little_is_left_exposed(unit: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=yes", f"--threshold={MOST_EXPOSED}", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed")
def test_a_model_is_confined_where_no_privilege_can_be_had_or_gained() -> None:
    """As the units have it: `NoNewPrivileges=yes` and an empty `CapabilityBoundingSet=`."""
    bare = ["setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
    if what_is_reached():
        pytest.skip("this machine confines no model, with privileges or without")
    done = subprocess.run(
        [*bare, sys.executable, "-m", "tests.edge.break_out"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
