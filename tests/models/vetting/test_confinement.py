"""What a candidate cannot reach from the process in which it is vetted."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import Any

import pytest

from tests.models.vetting.processes import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux' namespaces, scheduler and terminals")


def run(program: str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"tests.models.vetting.{program}", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, **options)


def confined(*options: str) -> list[str]:
    """What a confined process says of a server on this machine, of its niceness and of its scheduler."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = run("confined", str(server.getsockname()[1]), *options)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("options", [[], ["hurried"]])
def test_a_child_has_no_network(options: list[str]) -> None:
    if run("namespaces").returncode != 0:
        pytest.skip("this machine gives nobody a network of their own")
    assert confined(*options)[0] == "unreachable"


@pytest.mark.parametrize("options", [[], ["hurried"]])
def test_a_child_yields_to_everyone_unless_it_is_in_a_hurry(options: list[str]) -> None:
    assert confined(*options)[1:] == ["10", str(not options)]


def test_a_candidate_has_no_terminal() -> None:
    leader, follower = os.openpty()
    try:
        done = run("with_a_terminal", stdin=follower, start_new_session=True)
    finally:
        os.close(leader)
        os.close(follower)
    assert done.stdout.strip() == "[0, 1]", done.stderr
