"""The description of what devices ask, and a stranger's tool that makes requests of it, bad ones by the hundred."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fleet.allowance import Allowance
from fleet.fleet import Fleet
from tests.fleet.running_api import running_api
from tests.fleet.simulated import Clock

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "response_headers_conformance,negative_data_rejection"
)


@pytest.fixture
def address(tmp_path: Path) -> str:
    """What is asked over HTTP is the same in any database."""
    return f"sqlite:///{tmp_path}/fleet.db"


@pytest.mark.timeout(600)
def test_nothing_that_a_device_may_say_makes_it_fail(fleet: Fleet, clock: Clock, tmp_path: Path) -> None:
    with running_api(fleet, tmp_path / "shelf", clock, allowance=Allowance(1e6, 1e6)) as api:
        headers = api.device()
        api.release()
        (tmp_path / "schemathesis.toml").write_text('[parameters]\n"path.device" = "robot-1"\n')
        command = [
            str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(tmp_path / "schemathesis.toml"),
            "run", f"{api.url}/openapi.json", "--checks", CHECKS, "--phases", "examples,coverage,fuzzing",
            "--mode", "all", "--max-examples", "30", "--seed", "1", "--generation-database", "none",
            "--header", f"Authorization: {headers['authorization']}", "--continue-on-failure", "--no-color",
        ]  # fmt: skip
        run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=540)
        assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
        assert fleet.twins.read("robot-1").reported.version > 0
