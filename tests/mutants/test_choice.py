"""Every file of the core has tests that mutants of it are run against."""

from __future__ import annotations

import pytest

from tests.mutants.__main__ import CORE, ROOT, core_files
from tests.mutants.choice import MORE_TESTS, chosen_for


@pytest.mark.parametrize("file", core_files(""))
def test_a_file_of_the_core_has_tests(file):
    tests = chosen_for(file)
    assert tests
    assert all((ROOT / test).exists() for test in tests)


def test_the_table_names_what_is_there():
    for name, tests in MORE_TESTS.items():
        assert (ROOT / name).exists(), name
        assert name.startswith(CORE)
        for test in tests:
            assert (ROOT / "tests" / test).exists(), test


def test_a_file_gets_the_tests_of_its_name():
    assert chosen_for("models/card.py") == ["tests/models/test_card.py"]
    assert chosen_for("models/images/paths.py") == [
        "tests/models/images/test_paths.py",
        "tests/models/images/test_paths_edges.py",
    ]


def test_a_file_without_tests_of_its_name_gets_those_of_its_folder():
    of_the_folder = sorted((ROOT / "tests/models/engines").glob("test_*.py"))
    assert chosen_for("models/engines/onnx_engine.py") == [str(path.relative_to(ROOT)) for path in of_the_folder]
