"""The description of the HTTP side, and a stranger's tool that makes requests of it, bad ones by the hundred."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving.over_http.asking import good
from tests.serving.over_http.conftest import Served

CHECKS = (
    "status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance,"
    "negative_data_rejection"
)
"""500 is no status that is described."""


def test_the_description_knows_the_server_s_model(served: Served) -> None:
    document = good(served.http.get("/openapi.json"))
    assert document["openapi"] == "3.1.0"
    assert document["components"]["parameters"]["name"]["schema"]["enum"] == ["default"]


@pytest.mark.timeout(600)
def test_nothing_that_a_client_may_say_makes_it_fail(served: Served, tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", f"{served.url}/openapi.json", "--checks", CHECKS,
        "--phases", "examples,coverage,fuzzing", "--mode", "all", "--max-examples", "30", "--seed", "1",
        "--generation-database", "none", "--exclude-path-regex", "/labels/|v1.*/versions/",
        "--continue-on-failure", "--no-color",
    ]  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=540)
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
