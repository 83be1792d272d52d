"""Whatever a file is called, what is told of it is JSON."""

from __future__ import annotations

import json

import pytest

from studio.relearning.state import RetrainingState
from studio.web.written import as_json


@pytest.mark.parametrize("name", ["digits", "\udcff.h5", "a\n\u2028b", "</script>", "\x00"])
def test_any_name_comes_back_as_it_is(name: str) -> None:
    text = as_json({"name": name, "state": RetrainingState(line=name)})
    assert b"\n" not in text
    told = json.loads(text)
    assert told["name"] == told["state"]["line"] == name


def test_a_number_of_any_size_is_told() -> None:
    assert json.loads(as_json({"size": 1 << 80})) == {"size": 1 << 80}


def test_what_json_has_not_is_an_error() -> None:
    with pytest.raises(TypeError):
        as_json({"file": object()})
