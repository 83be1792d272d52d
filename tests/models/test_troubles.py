"""What does not work is said once, and again when it is otherwise."""

from __future__ import annotations

from models.troubles import Troubles


def test_a_trouble_is_said_once_until_it_ends() -> None:
    said: list[str] = []
    troubles = Troubles(said.append)
    for _ in range(3):
        troubles.begin("database", "it does not answer")
    troubles.begin("disk", "it is full")
    assert said == ["it does not answer", "it is full"]

    troubles.end("database", "it answers again")
    troubles.end("database", "it answers again")
    troubles.end("disk")
    assert said[2:] == ["it answers again"]

    troubles.begin("database", "it does not answer")
    assert said[3:] == ["it does not answer"]


def test_another_reason_is_said() -> None:
    said: list[str] = []
    troubles = Troubles(said.append)
    troubles.begin("database", "it does not answer")
    troubles.begin("database", "it is full")

    assert said == ["it does not answer", "it is full"]


def test_what_was_no_trouble_does_not_end() -> None:
    said: list[str] = []
    Troubles(said.append).end("database", "it answers again")

    assert said == []
