"""A library that cannot be imported is a finding."""

from __future__ import annotations

from pathlib import Path

from launch.doctor.engines import onnx_runtime, trouble_in

HERE = Path(__file__).parent


def test_a_library_that_ends_the_process_is_a_finding_and_not_the_end() -> None:
    assert trouble_in(str(HERE / "aborting.py")) == "exit code -6"
    assert trouble_in(str(HERE / "without_libfoo.py")) == "ImportError: no libfoo"


def test_onnx_runtime_is_looked_for_without_being_imported_here() -> None:
    [finding] = onnx_runtime()
    assert finding.level == "ok"
