"""The processes that are measured are real ones, and each of their parts is seen. No number is looked at."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.processes import Layout, Machine, Measured, Memory, print_table
from launch.command_line import CommandRefused
from tests.model_files import tiny_classifier
from tests.sample_images import encoded, small


def test_every_process_answers_with_a_host_of_its_own_and_is_counted_in_memory(tmp_path: Path) -> None:
    images = [tmp_path / f"{number}.png" for number in range(4)]
    for path in images:
        path.write_bytes(encoded(small(), "PNG"))
    machine = Machine(Layout(2, 2), tiny_classifier(tmp_path / "tiny.onnx"), tmp_path / "machine")
    try:
        rate, cpu = machine.classify(list(map(str, images)))
        held = machine.memory()
        hosts = machine.hosts()
    finally:
        machine.close()
    assert rate > 0
    assert cpu > 0
    assert held.jobs > held.hosts > 0
    assert len(hosts) == 2
    assert not machine.hosts()


@pytest.mark.parametrize("text", ["", "2", "0x1", "1x0", "1x1x1", "axb"])
def test_what_is_no_layout_is_refused(text: str) -> None:
    assert str(Layout.parse("2x12")) == "2x12"
    with pytest.raises(CommandRefused, match="--layout"):
        Layout.parse(text)


def test_rates_are_held_against_the_first_layouts_of_the_same_round() -> None:
    measured = {
        Layout(1, 1): Measured(rates=[10.0, 100.0, 50.0], cpu_milliseconds=[1.0]),
        Layout(2, 1): Measured(Memory(600, 300, 100), rates=[20.0, 200.0, 25.0], cpu_milliseconds=[1.0]),
    }
    shown = io.StringIO()
    print_table(measured, Console(file=shown, width=100))
    [row] = [line for line in shown.getvalue().splitlines() if "2x1" in line]
    assert "2.00" in row
    assert "1000" in row
