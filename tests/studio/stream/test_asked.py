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


def overtake(asked: Asked, clock: Clock) -> None:
    """Something is asked now, and answered at once."""
    clock.now += 0.001
    asked.take(answer(put(asked, "overtakes")))


def test_a_stream_that_is_merely_slow_is_asked_nothing_twice(asked: Asked, clock: Clock) -> None:
    questions = [put(asked, f"{number}") for number in range(500)]
    for each in questions[:-1]:
        clock.now += 10
        asked.take(answer(each))
        assert (asked.due(), asked.given_up(0)) == ([], [])

    assert asked.images == {"499"}


def test_what_a_later_one_has_overtaken_is_asked_again_after_ever_longer_pauses_and_given_up(
    asked: Asked, clock: Clock
) -> None:
    lost = put(asked, "lost")
    for pause in (15, 30, 60):
        overtake(asked, clock)
        clock.now += pause - 1
        assert asked.due() == []
        clock.now += 1
        [again] = asked.due()
        assert (again.image, again.attributes) == ("lost", lost.attributes)
        assert (asked.due(), asked.given_up(0)) == ([], [])
    overtake(asked, clock)
    clock.now += 120

    assert asked.due() == []
    [given_up] = asked.given_up(0)
    assert (given_up.image, given_up.tries) == ("lost", 4)
    assert (len(asked), asked.take(answer(lost))) == (0, Whose.KNOWN)


def test_an_answer_that_comes_after_it_was_asked_again_counts(asked: Asked, clock: Clock) -> None:
    late = put(asked)
    overtake(asked, clock)
    clock.now += 15
    asked.due()

    assert [asked.take(answer(late)), asked.take(answer(late))] == [Whose.ASKED, Whose.KNOWN]


def test_what_was_asked_before_a_job_ended_is_asked_again_at_once_and_what_was_asked_after_waits(
    asked: Asked, clock: Clock
) -> None:
    put(asked, "before")
    clock.now += 1
    asked.job_ended()
    clock.now += 1
    put(asked, "after")

    assert [each.image for each in asked.due()] == ["before"]
    assert asked.due() == []


def test_not_all_are_asked_again_at_once(asked: Asked, clock: Clock) -> None:
    for number in range(250):
        put(asked, f"{number}")
    asked.job_ended()
    clock.now += 1

    sizes = [len(asked.due()) for _ in range(4)]
    assert sizes == [100, 100, 50, 0]


def test_what_a_stream_that_runs_owes_for_minutes_is_given_up(asked: Asked, clock: Clock) -> None:
    put(asked, "owed")
    clock.now += 1_000

    assert asked.given_up(running_seconds=10) == []
    assert [each.image for each in asked.given_up(running_seconds=300)] == ["owed"]
    assert len(asked) == 0


def test_a_probe_is_asked_where_somebody_waits_and_nothing_is_said(asked: Asked, clock: Clock) -> None:
    assert asked.probe("none", 15) is None
    put(asked, "waits")
    clock.now += 14
    assert asked.probe("none", 15) is None
    clock.now += 1
    probe = asked.probe("none", 15)
    assert probe is not None
    assert asked.probe("none", 15) is None
    clock.now += 1

    assert asked.take(answer(probe)) is Whose.KNOWN
    assert asked.silence() == 0
    assert [each.image for each in asked.due()] == ["waits"]


def test_a_probe_that_nobody_answers_ends_with_the_job(asked: Asked, clock: Clock) -> None:
    put(asked, "waits")
    clock.now += 15
    asked.probe("none", 15)
    asked.job_ended()
    clock.now += 1

    assert [each.image for each in asked.due()] == ["waits"]
    assert asked.images == {"waits"}


def test_what_nobody_waits_for_any_more_is_not_asked_again(asked: Asked) -> None:
    asked.drop(put(asked))
    asked.job_ended()

    assert (len(asked), asked.due()) == (0, [])


def test_silence_is_how_long_anybody_has_waited_without_an_answer_to_anybody(asked: Asked, clock: Clock) -> None:
    clock.now += 100
    assert asked.silence() == 0
    question = put(asked)
    clock.now += 20
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
