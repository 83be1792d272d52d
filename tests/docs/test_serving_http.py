"""Every command that docs/serving.md gives for HTTP is run as it stands."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.telling_models import drop
from tests.serving.over_http.asking import png
from tests.serving.running_core import http_server, running_core

DOCUMENT = Path(__file__).parents[2] / "docs/serving.md"


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What each block of commands prints."""
    folder = tmp_path_factory.mktemp("documented")
    (folder / "models").mkdir()
    drop(folder / "models", "cats")
    (folder / "digit.png").write_bytes(png())
    section = DOCUMENT.read_text(encoding="utf-8").partition("## Over HTTP, with curl\n")[2].partition("\n## ")[0]
    found = []
    with running_core(folder / "models", folder / "cache") as running, http_server(running) as url:
        running.await_model()
        for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL):
            commands = block.replace("localhost:8501", url.removeprefix("http://"))
            run = subprocess.run(
                ["bash", "-eo", "pipefail", "-c", commands], cwd=folder, capture_output=True, text=True
            )
            assert run.returncode == 0, run.stderr
            found.append(run.stdout)
    return found


def test_an_image_as_it_is_and_one_in_base64_are_answered(answers: list[str]) -> None:
    as_it_is, in_base64, in_a_row, _ = answers
    assert [each["data"] for each in json.loads(as_it_is)["outputs"] if each["name"] == "labels"] == [["cats"]]
    assert json.loads(in_base64)["id"] == "7"
    assert [each["name"] for each in json.loads(in_base64)["outputs"]] == ["labels", "model_id"]
    [row] = json.loads(in_a_row)["predictions"]
    assert row["labels"] == "cats"


def test_the_server_tells_of_itself(answers: list[str]) -> None:
    for told in ("model_version_status", "signature_def", "FP32", '{"live":true}{"ready":true}', "hotswap_ready"):
        assert told in answers[3]
