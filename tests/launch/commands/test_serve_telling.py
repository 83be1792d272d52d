"""`hotswap serve` refuses what could be told, or asked, by nobody, before it listens or looks at a model."""

from __future__ import annotations

import pytest

from tests.launch.commands.hotswap_command import Command, error_line


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("--access-log", "/none/access.jsonl", "the access log /none/access.jsonl cannot be written"),
        ("--access-log", "/", "the access log / cannot be written"),
        ("--trace-endpoint", "collector:4317", "http://HOST:PORT"),
    ],
)
def test_what_tells_nobody_is_refused_in_a_line(option: str, value: str, why: str, hotswap: Command) -> None:
    outcome = hotswap("serve", "--models", "m/*.onnx", option, value)
    assert outcome.code == 2
    assert why in error_line(outcome)


@pytest.mark.parametrize("name", ["a/b:c", "", "a b", "..", "a%2fb", "größe", "x" * 129, "a\n"])
def test_a_name_that_no_path_can_hold_is_refused_in_a_line(name: str, hotswap: Command) -> None:
    outcome = hotswap("serve", "--models", "m/*.onnx", "--name", name)
    assert outcome.code == 2
    assert "letters, digits, '.', '_' and '-'" in error_line(outcome)
