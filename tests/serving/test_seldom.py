"""What strangers cause is told now and then, with how often it was."""

from __future__ import annotations

from serving.seldom import Seldom


def test_each_thing_is_told_once_in_a_while_with_how_often_it_was() -> None:
    now = 0.0
    seldom = Seldom(60.0, lambda: now)
    assert [seldom.count("a") for _ in range(4)] == [1, 0, 0, 0]
    assert seldom.count("b") == 1
    now = 59.0
    assert seldom.count("a") == 0
    now = 60.0
    assert [seldom.count("a"), seldom.count("a")] == [5, 0]
