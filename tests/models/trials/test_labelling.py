"""A true label counts once, for the model whose answer it meets, and nothing is kept for ever."""

from __future__ import annotations

import pytest

from models.reference import Mode, ModelReference, StatedTrial
from models.trials.evidence import Evidence
from models.trials.gathering import Gathering
from models.trials.gist import NO_GIST, Gist
from models.trials.labelling import AnswerGiven, Meeting, Waiting, answer_given, note_label
from models.trials.tried import Tried

NUMBER = 7
OLD = AnswerGiven(NUMBER, "old", "seven", None)
NEW = AnswerGiven(NUMBER, "new", "one", None)
BOTH = AnswerGiven(NUMBER, "old", "seven", "one")


class Kept:
    """Where evidence is written; this test reads it before it is."""

    def write(self, trial: StatedTrial, worker: str, data: bytes) -> None:
        Evidence.decode(data)


def gathering(mode: Mode, number: int = NUMBER) -> Gathering:
    made = Gathering(Kept())
    made.follow(StatedTrial(number, ModelReference("gs://b/new.h5", "0" * 64), mode, 0.5))
    return made


def evidence_of(gathered: Gathering) -> Evidence:
    assert gathered.trial is not None
    with gathered.noting(gathered.trial) as evidence:
        return Evidence.decode(evidence.encode())


@pytest.mark.parametrize("order", [(OLD, "seven"), ("seven", OLD)], ids=["answer first", "label first"])
def test_an_answer_and_its_label_meet_whichever_comes_first(order: tuple[AnswerGiven | str, ...]) -> None:
    meeting = Meeting()
    assert [meeting.join("1", came) for came in order] == [None, Waiting(OLD, "seven")]


def test_a_label_that_comes_twice_or_changes_its_mind_counts_once_and_as_it_came_first() -> None:
    meeting = Meeting()
    assert [meeting.join("1", came) for came in ("seven", "one")] == [None, None]
    assert meeting.join("1", OLD) == Waiting(OLD, "seven")
    assert [meeting.join("1", came) for came in ("seven", "one", OLD, NEW)] == [None] * 4


def test_labels_of_other_images_meet_nothing() -> None:
    meeting = Meeting()
    meeting.join("1", OLD)
    assert meeting.join("2", "seven") is None


def test_what_waits_is_forgotten_after_its_time_and_the_oldest_where_too_much_waits() -> None:
    now = 0.0
    meeting = Meeting(seconds=60.0, most=3, clock=lambda: now)
    meeting.join("old", OLD)
    now = 61.0
    assert meeting.join("old", "seven") is None
    for number in range(100):
        meeting.join(str(number), "seven")
        assert len(meeting) <= 3
    assert meeting.join("99", OLD) is not None
    assert meeting.join("50", OLD) is None


def test_an_image_that_is_remembered_is_put_in_no_place_of_another() -> None:
    meeting = Meeting(most=2)
    meeting.join("1", OLD)
    meeting.join("2", OLD)
    assert meeting.join("2", "seven") is not None
    assert meeting.join("1", "seven") is not None


def test_in_a_canary_each_label_is_for_the_model_that_answered() -> None:
    gathered = gathering("canary")
    assert all(note_label(gathered, Waiting(answer, "seven")) for answer in (OLD, OLD, NEW))
    evidence = evidence_of(gathered)
    assert [(side.labelled, side.right) for side in (evidence.old, evidence.new)] == [(2, 2), (1, 0)]


def test_in_a_shadow_a_label_is_for_both_models_where_both_answered() -> None:
    gathered = gathering("shadow")
    assert note_label(gathered, Waiting(BOTH, "one"))
    assert not note_label(gathered, Waiting(OLD, "seven"))
    assert sum(evidence_of(gathered).paired.labelled) == 1


def test_a_label_of_another_trial_is_nobodys() -> None:
    gathered = gathering("canary", number=NUMBER + 1)
    assert not note_label(gathered, Waiting(OLD, "seven"))
    gathered.follow(None)
    assert not note_label(gathered, Waiting(OLD, "seven"))


def test_an_answer_without_a_label_waits_for_none() -> None:
    tried = Tried(NUMBER, "old", Gist("one", 0.9))
    assert answer_given(tried, NO_GIST) is None
    assert answer_given(tried, Gist("seven", 0.5)) == BOTH
