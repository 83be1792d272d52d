"""OpenVINO reports nothing to its maker."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.model_files import tiny_classifier

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
