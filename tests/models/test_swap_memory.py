"""A hundred swaps in a process of their own, under load."""

from __future__ import annotations

import json
from pathlib import Path

from tests.own_process import run_module


def test_a_hundred_swaps_leave_memory_flat_and_at_most_two_models(tmp_path: Path) -> None:
    found = json.loads(run_module("tests.models.hundred_swaps", tmp_path))
    assert found["resident"] <= 2
    assert found["after_100"] < 1.1 * found["after_10"], found
