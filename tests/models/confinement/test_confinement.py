"""What a process can do that opens a stranger's model, tried as an attacker would who took it over."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from models.confinement import confining, landlock, proving, system_calls
from models.confinement.environment import confined_environment
from models.errors import NotConfined
from tests.models.vetting.processes import ROOT
from tests.own_process import run_module

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux' ways to confine")


def unconfined(*without: str) -> set[str]:
    return set(json.loads(run_module("tests.models.confinement.unconfined", *without)))


def test_a_model_that_took_its_process_over_reaches_nothing() -> None:
    assert proving.what_is_reached() == []
    proving.require_confinement()


def test_the_trial_reaches_everything_where_nothing_is_confined() -> None:
    assert {"the network", "files outside its workspace to read", "other processes"} <= unconfined()


@pytest.mark.parametrize(
    ("without", "reached"),
    [
        ("landlock.restrict", {"files outside its workspace to read", "files outside its workspace to write"}),
        ("system_calls.filter_system_calls", {"processes of its own", "memory that no limit counts"}),
        ("privileges.drop_privileges", {"privileges"}),
    ],
)
def test_the_trial_tells_which_layer_is_missing(without: str, reached: set[str]) -> None:
    assert reached <= unconfined(without)


def test_what_nvidias_driver_needs_is_no_way_out() -> None:
    assert json.loads(run_module("tests.models.confinement.for_gpu")) == ["shared memory", "to listen on this machine"]


def test_who_is_not_root_is_confined_as_well() -> None:
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can become another")
    nobody = pwd.getpwnam("nobody")
    as_nobody = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    program = "from models.confinement.proving import what_is_reached; print(what_is_reached())"
    for python in filter(None, (sys.executable, shutil.which("python3", path="/usr/local/bin:/usr/bin"))):
        command = [*as_nobody, python, "-c", program]
        done = subprocess.run(command, cwd=ROOT, env={"TMPDIR": "/tmp"}, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            assert done.stdout.strip() == "[]"
            return
    pytest.skip("nobody may run a Python here")


def test_a_machine_that_confines_nothing_is_refused_where_confinement_is_required(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(proving, "what_is_reached", lambda: ["the network"])
    with pytest.raises(NotConfined, match=r"would reach the network; use Linux 5\.13"):
        proving.require_confinement()


def test_each_layer_that_cannot_be_had_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refused(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    done = confining._refused([refused, lambda: None, refused])
    assert done == ["[Errno 38] Function not implemented"] * 2


def test_no_credentials_come_through() -> None:
    given = {
        "AWS_SECRET_ACCESS_KEY": "x",
        "GOOGLE_APPLICATION_CREDENTIALS": "y",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "LANG": "C",
    }
    assert confined_environment(given, "/w") == {
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "LANG": "C",
        "HOME": "/w",
        "TMPDIR": "/w",
    }


def test_a_kernel_without_landlock_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "_CREATE_RULESET", 100_000)
    with pytest.raises(OSError, match="Landlock: "):
        landlock.restrict([], [], [])


def test_a_machine_without_libseccomp_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_calls, "LIBRARY", "libseccomp.so.none")
    with pytest.raises(OSError, match=r"libseccomp\.so\.none"):
        system_calls.filter_system_calls()
