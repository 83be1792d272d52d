"""An answer of any task comes down to one label and one score."""

from __future__ import annotations

import pytest

from models.tasks.prediction import ClassScore, Detection, Detections, Labelled, Mask, Numbers, Ranked, Share
from models.trials.gist import Gist, gist_of

CAT, DOG = ClassScore("cat", 0, 0.75), ClassScore("dog", 1, 0.25)


@pytest.mark.parametrize(
    ("prediction", "gist"),
    [
        (Ranked((CAT, DOG)), Gist("cat", 0.75)),
        (Labelled((DOG, CAT)), Gist("dog", 0.25)),
        (Detections((Detection(CAT, (0, 0, 1, 1)), Detection(DOG, (0, 0, 1, 1)))), Gist("cat", 0.75)),
        (Mask(1, 1, b"", (Share("road", 3, 0.9), Share("sky", 1, 0.1))), Gist("road", 0.9)),
    ],
)
def test_the_best_class_stands_for_the_answer(prediction, gist):
    assert gist_of(prediction) == gist


@pytest.mark.parametrize("nothing", [Labelled(()), Detections(()), Mask(0, 0, b"", ()), Ranked(())])
def test_nothing_found_is_an_answer_too(nothing):
    assert gist_of(nothing) == Gist("", 0.0)


def test_bare_numbers_have_neither_label_nor_score():
    assert gist_of(Numbers({"output": (1.0, 2.0)})) == Gist(None, None)


@pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf")])
def test_a_score_that_is_no_number_is_left_out(score):
    assert gist_of(Ranked((ClassScore("cat", 0, score),))) == Gist("cat", None)
