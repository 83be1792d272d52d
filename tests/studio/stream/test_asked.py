"""Each question has one answer, and what is remembered is bounded."""

from __future__ import annotations

from typing import Any

import pytest

from studio.stream.asked import MARK, MOST_WAITING, Asked, Question, Whose


class Clock:
    """Shows what it is set to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def asked(clock: Clock) -> Asked:
    return Asked(clock)


def put(asked: Asked, image: str = "a.png") -> Question:
    question = asked.add(image, {"drawing": image})
    assert question is not None
    return question


def answer(question: Question) -> dict[str, Any]:
    return {"attributes": dict(question.attributes), "message_id": "1"}


def test_the_first_answer_counts_and_every_other_is_known(asked: Asked) -> None:
    question = put(asked)

    assert [asked.take(answer(question)) for _ in range(3)] == [Whose.ASKED, Whose.KNOWN, Whose.KNOWN]
    assert len(asked) == 0


def test_an_image_that_is_asked_twice_is_answered_twice(asked: Asked) -> None:
    one, other = put(asked), put(asked)

    assert one.attributes[MARK] != other.attributes[MARK]
    assert [asked.take(answer(each)) for each in (one, other)] == [Whose.ASKED] * 2


def test_an_answer_to_what_was_asked_before_this_studio_began_is_nobodys(asked: Asked) -> None:
    assert Asked().take(answer(put(asked))) is Whose.KNOWN


def test_what_a_stranger_asked_is_known_by_its_message(asked: Asked) -> None:
    record = {"attributes": {"customer": "42"}, "message_id": "7"}

    assert [asked.take(record), asked.take(record)] == [Whose.STRANGERS, Whose.KNOWN]
    for without in ({}, {"attributes": None}, {"attributes": {MARK: 7}}, {"attributes": {MARK: ""}}):
        assert [asked.take(without), asked.take(without)] == [Whose.STRANGERS] * 2


def test_what_waits_long_is_due_and_then_not_until_as_long_has_passed_again(asked: Asked, clock: Clock) -> None:
    early = put(asked, "early")
    clock.now += 10
    late = put(asked, "late")
    clock.now += 5

    assert [each.image for each in asked.due(15)] == ["early"]
    assert asked.due(15) == []
    clock.now += 10
    assert [each.image for each in asked.due(15)] == ["late"]
    clock.now += 5
    [again] = asked.due(15)
    assert (again.image, again.attributes) == ("early", early.attributes)
    assert asked.take(answer(again)) is Whose.ASKED
    asked.drop(late)
    assert len(asked) == 0


def test_silence_is_how_long_anybody_has_waited_without_an_answer_to_anybody(asked: Asked, clock: Clock) -> None:
    clock.now += 100
    assert asked.silence() == 0
    question = put(asked)
    clock.now += 20
    asked.due(15)
    assert asked.silence() == 20
    asked.take({"attributes": {}, "message_id": "1"})
    clock.now += 3
    assert asked.silence() == 3
    asked.take(answer(question))
    clock.now += 3
    assert asked.silence() == 0


def test_only_so_many_wait(asked: Asked) -> None:
    questions = [put(asked, f"{number}") for number in range(MOST_WAITING)]

    assert asked.add("one more", {}) is None
    asked.take(answer(questions[0]))
    assert asked.add("one more", {}) is not None
