"""A hundred swaps in a process of their own, under load."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_a_hundred_swaps_leave_memory_flat_and_at_most_two_models(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.models.hundred_swaps", str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["resident"] <= 2
    assert found["after_100"] < 1.1 * found["after_10"], found
