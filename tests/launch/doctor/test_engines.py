"""A library that cannot be imported is a finding."""

from __future__ import annotations

from pathlib import Path

from launch.doctor.engines import libraries, trouble_in

HERE = Path(__file__).parent


def test_a_library_that_ends_the_process_is_a_finding_and_not_the_end() -> None:
    assert trouble_in(str(HERE / "aborting.py")) == "exit code -6"
    assert trouble_in(str(HERE / "without_libfoo.py")) == "ImportError: no libfoo"


def test_the_engines_libraries_are_found() -> None:
    assert [(finding.level, finding.what) for finding in libraries()] == [
        ("ok", "ONNX Runtime can be imported"),
        ("ok", "OpenVINO can be imported"),
    ]
