"""OpenVINO reports nothing to its maker, and answers without what it converts with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from models.artefacts import OPENVINO_FILE
from tests.model_files import tiny_classifier
from tests.own_process import run_module

ROOT = Path(__file__).parents[3]


def test_converting_and_answering_asks_the_network_for_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    command = [sys.executable, "-m", "tests.models.engines.listening_openvino"]
    done = subprocess.run(
        [*command, str(tiny_classifier(tmp_path / "m.onnx")), str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["(2, 3) False"]
    assert not list(home.iterdir())


def test_what_only_answers_does_so_without_the_converter(tmp_path: Path) -> None:
    run_module("tests.models.engines.listening_openvino", tiny_classifier(tmp_path / "m.onnx"), tmp_path)
    assert run_module("tests.models.engines.answering_openvino", tmp_path / OPENVINO_FILE) == "(2, 3) False\n"
