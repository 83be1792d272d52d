"""A new model is judged by what was seen: a bad one goes back, one as good as the old goes live, neither too soon."""

from __future__ import annotations

import itertools
import json
import random

import pytest

from models.trials.evidence import SIDES, Evidence
from models.trials.gist import Gist
from models.trials.judging import Judgement, judge
from models.trials.terms import Limits

LIMITS = Limits()
MODES = ["shadow", "canary"]


def seen(
    mode, images, *, failing=0, slowness=1.0, agreeing=0.95, score=0.9, right=None, old_right=None, label=None, size=8
) -> Evidence:
    """Of an old model that never fails, and of a new one; every `failing`th image has no answer by it."""
    rng = random.Random(5)
    evidence = Evidence()
    for number in range(images):
        old_label = str(rng.randrange(10))
        old = Gist(old_label, min(1.0, rng.gauss(0.9, 0.02)))
        new_label = label or (old_label if rng.random() < agreeing else str(rng.randrange(10)))
        new = Gist(new_label, min(1.0, rng.gauss(score, 0.02)))
        answer = None if failing and number % failing == failing - 1 else new
        evidence.answered("old", old)
        evidence.answered("new", answer, f"image {number}")
        if mode == "shadow":
            evidence.compared(f"image {number}", old, answer)
        if right is not None and answer is not None:
            old_is_right = rng.random() < (right if old_right is None else old_right)
            if mode == "shadow":
                evidence.labelled_both(old_is_right, rng.random() < right)
            else:
                evidence.labelled("old", old_is_right)
                evidence.labelled("new", rng.random() < right)
        if number % size == 0:
            evidence.called("old", size, 0.02 * rng.lognormvariate(0, 0.2))
            evidence.called("new", size, slowness * 0.02 * rng.lognormvariate(0, 0.2))
    return evidence


def finding(judgement: Judgement, what: str):
    return next(each for each in judgement.findings if each.what == what)


@pytest.mark.parametrize("mode", MODES)
def test_an_equal_model_goes_live_once_enough_was_seen(mode):
    evidence = seen(mode, 8000)
    judgement = judge(evidence, mode, LIMITS)
    assert judgement.decision == "proved"
    assert judgement.images == {"old": 8000, "new": 8000}
    assert "failures 0 of 8,000 (at most 0.0" in judgement.why and "limit 0.1%" in judgement.why


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("images", [0, 1, 10, 99])
@pytest.mark.parametrize("bad", [{}, {"failing": 1}, {"slowness": 50.0, "size": 1}, {"label": "1", "score": 0.1}])
def test_few_images_are_no_verdict_whatever_they_show(mode, images, bad):
    assert judge(seen(mode, images, **bad), mode, LIMITS).decision == "open"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("what", "bad"),
    [
        ("failures", {"failing": 20}),
        ("failures", {"failing": 1}),
        ("slowdown", {"slowness": 3.0}),
        ("label_drift", {"label": "1"}),
        ("score_drift", {"score": 0.5}),
    ],
)
def test_a_model_that_breaks_a_limit_goes_back_and_the_numbers_say_why(mode, what, bad):
    judgement = judge(seen(mode, 1000, **bad), mode, LIMITS)
    assert judgement.decision == finding(judgement, what).decision == "worse"
    assert judgement.why.split("; ")[0] in {each.text for each in judgement.findings if each.decision == "worse"}


def test_a_shadow_that_says_otherwise_goes_back():
    judgement = judge(seen("shadow", 1000, agreeing=0.5), "shadow", LIMITS)
    assert judgement.decision == finding(judgement, "agreement").decision == "worse"
    assert finding(judgement, "label_drift").decision != "worse"


@pytest.mark.parametrize("mode", MODES)
def test_one_in_a_thousand_is_never_proved(mode):
    assert judge(seen(mode, 20_000, failing=1000), mode, LIMITS).decision == "open"


def test_failures_of_an_old_model_are_not_held_against_the_new_one():
    evidence = Evidence()
    for number in range(20_000):
        answer = None if number % 100 == 0 else Gist(str(number % 7), 0.9)
        evidence.answered("old", answer)
        evidence.answered("new", answer)
        evidence.compared(f"image {number}", answer, answer)
        for side in SIDES:
            evidence.called(side, 1, 0.01)
    judgement = judge(evidence, "shadow", LIMITS)
    assert judgement.decision == "proved"
    assert "failures 200 of 20,000, before 200 of 20,000" in judgement.why


@pytest.mark.parametrize("mode", MODES)
def test_a_few_calls_that_hang_are_not_the_model_s(mode):
    evidence = seen(mode, 8000)
    for _ in range(20):
        evidence.called("new", 8, 60.0)
    assert judge(evidence, mode, LIMITS).decision == "proved"


def test_times_of_calls_of_other_sizes_are_not_compared():
    evidence = Evidence()
    for _ in range(500):
        evidence.called("old", 64, 0.064)
        evidence.called("new", 1, 0.01)
    slowdown = finding(judge(evidence, "canary", LIMITS), "slowdown")
    assert (slowdown.decision, slowdown.value) == ("open", None)


@pytest.mark.parametrize("mode", MODES)
def test_true_labels_find_a_worse_model_that_nothing_else_finds(mode):
    judgement = judge(seen(mode, 8000, right=0.8, old_right=0.9), mode, LIMITS)
    assert judgement.decision == finding(judgement, "accuracy").decision == "worse"
    assert judge(seen(mode, 8000), mode, LIMITS).decision == "proved"


@pytest.mark.parametrize("mode", MODES)
def test_a_better_model_may_answer_otherwise(mode):
    evidence = seen(mode, 8000, right=0.98, old_right=0.6, agreeing=0.5, score=0.5)
    judgement = judge(evidence, mode, LIMITS)
    assert judgement.decision == "proved"
    drift = finding(judgement, "score_drift")
    assert (drift.decision, drift.counts) == ("worse", False) and "told alone" in drift.text


@pytest.mark.parametrize("mode", MODES)
def test_a_verdict_waits_for_true_labels_where_they_are_needed(mode):
    unlabelled = judge(seen(mode, 8000, score=0.5), mode, LIMITS, needs_labels=True)
    assert unlabelled.decision == finding(unlabelled, "accuracy").decision == "open"
    assert judge(seen(mode, 8000, right=0.99), mode, LIMITS, needs_labels=True).decision == "proved"


def told(evidence: Evidence, labels: list[tuple[bool, bool]]) -> Evidence:
    for old_right, new_right in labels:
        evidence.labelled_both(old_right, new_right)
    return evidence


ONLY_MISTAKES = [(False, number % 2 == 0) for number in range(600)]


@pytest.mark.parametrize("needs_labels", [False, True])
def test_labels_of_the_old_model_s_mistakes_alone_put_no_bad_model_live(needs_labels):
    evidence = told(seen("shadow", 8000, agreeing=0.3), ONLY_MISTAKES)
    judgement = judge(evidence, "shadow", LIMITS, needs_labels)
    assert finding(judgement, "accuracy").decision == "proved"
    agreement = finding(judgement, "agreement")
    assert (agreement.decision, agreement.counts) == ("worse", True)
    assert judgement.decision == ("open" if needs_labels else "worse") and judgement.breaks_a_limit


def test_a_few_labels_let_a_model_that_answers_alike_go_live():
    judgement = judge(told(seen("shadow", 8000), ONLY_MISTAKES), "shadow", LIMITS, needs_labels=True)
    assert judgement.decision == "proved" and not judgement.breaks_a_limit


def test_labels_of_a_third_of_the_answers_outrank_what_stands_for_them():
    evidence = seen("shadow", 8000, agreeing=0.3)
    labels = [(number % 10 > 3, number % 10 > 1) for number in range(2600)]
    waiting = judge(told(evidence, labels), "shadow", LIMITS, needs_labels=True)
    assert waiting.decision == "open" and "waits for true labels of 33.3% of the answers" in waiting.why
    assert judge(told(evidence, labels[:100]), "shadow", LIMITS, needs_labels=True).decision == "proved"


def test_labels_of_one_side_of_a_canary_outrank_nothing():
    evidence = seen("canary", 8000, score=0.5)
    for number in range(6000):
        evidence.labelled("new", True)
        if number < 500:
            evidence.labelled("old", False)
    assert judge(evidence, "canary", LIMITS).decision == "worse"


def alone(images: int, failing: int = 0) -> Evidence:
    """Of a step in which the new model answers everything."""
    evidence = Evidence()
    for number in range(images):
        evidence.answered("new", None if failing and number % failing == 0 else Gist("cat", 0.9))
        evidence.called("new", 1, 0.01)
    return evidence


@pytest.mark.parametrize("needs_labels", [False, True])
def test_a_canary_that_answers_everything_is_judged_by_its_failures(needs_labels):
    judgement = judge(alone(8000), "canary", LIMITS, needs_labels, share=1.0)
    assert judgement.decision == finding(judgement, "failures").decision == "proved"
    others = [each for each in judgement.findings if each.what not in ("failures", "fitness")]
    assert {each.decision for each in others} == {"unjudged"}
    assert {each.text for each in others} == {"the old model answers nothing in this step"}
    assert judge(alone(200, failing=10), "canary", LIMITS, needs_labels, share=1.0).decision == "worse"
    assert judge(alone(99), "canary", LIMITS, needs_labels, share=1.0).decision == "open"


def test_a_canary_that_answers_everything_may_fail_as_often_as_the_old_model_did():
    earlier = Evidence()
    for number in range(40_000):
        earlier.answered("old", None if number % 50 == 0 else Gist("cat", 0.9))
    evidence, limits = alone(40_000, failing=50), Limits(max_failures=0.01)
    judgement = judge(evidence, "canary", limits, share=1.0, earlier=earlier)
    assert judgement.decision == "proved" and "before 800 of 40,000" in judgement.why
    assert judge(evidence, "canary", limits, share=1.0).decision == "worse"


def test_what_processes_without_the_new_model_answer_is_not_compared_with_a_step_of_everything():
    evidence = alone(8000)
    for _ in range(500):
        evidence.answered("old", Gist("dog", 0.5))
        evidence.called("old", 1, 0.0001)
    assert judge(evidence, "canary", LIMITS, share=1.0).decision == "proved"
    assert judge(evidence, "canary", LIMITS, share=0.9).decision == "worse"


def test_a_stream_that_changed_between_steps_is_no_drift_where_each_is_judged_by_itself():
    day, night = Evidence(), Evidence()
    for number in range(10_000):
        day.answered("old" if number % 20 else "new", Gist("car" if number % 7 else "bus", 0.9))
        night.answered("old" if number % 2 else "new", Gist("fox" if number % 7 else "owl", 0.9))
    for step in (day, night):
        assert finding(judge(step, "canary", LIMITS), "label_drift").decision != "worse"
    day.merge(night)
    assert finding(judge(day, "canary", LIMITS), "label_drift").decision == "worse"


@pytest.mark.parametrize("mode", MODES)
def test_a_model_that_tells_numbers_where_the_old_one_told_labels_is_judged_by_failures_and_times(mode):
    evidence = Evidence()
    for number in range(8000):
        evidence.answered("old", Gist("cat", 0.9))
        evidence.answered("new", Gist(None, None))
        for side in SIDES:
            evidence.called(side, 1, 0.01)
        evidence.compared(f"image {number}", Gist("cat", 0.9), Gist(None, None))
    judgement = judge(evidence, mode, LIMITS)
    assert judgement.decision == "proved"
    drift = finding(judgement, "label_drift")
    assert (drift.decision, drift.text) == (
        "unjudged", "the old model tells labels and the new one none: they are not compared"
    )  # fmt: skip


def test_a_score_that_is_lower_by_a_hair_is_no_loss():
    evidence = Evidence()
    for _ in range(40_000):
        evidence.answered("old", Gist("cat", 0.805))
        evidence.answered("new", Gist("cat", 0.795))
    drift = finding(judge(evidence, "canary", LIMITS), "score_drift")
    assert drift.decision == "proved" and drift.text.endswith("but it is no less sure")


@pytest.mark.parametrize("mode", MODES)
def test_few_true_labels_hold_nothing_up(mode):
    evidence = seen(mode, 8000)
    for _ in range(50):
        evidence.labelled("new", False)
        evidence.labelled_both(True, False)
    judgement = judge(evidence, mode, LIMITS)
    assert judgement.decision == "proved" and finding(judgement, "accuracy").decision == "unjudged"


@pytest.mark.parametrize("mode", MODES)
def test_a_model_without_labels_is_judged_by_failures_and_times(mode):
    evidence = Evidence()
    for number in range(8000):
        for side in SIDES:
            evidence.answered(side, Gist(None, None))
            evidence.called(side, 1, 0.01)
        evidence.compared(f"image {number}", Gist(None, None), Gist(None, None))
    judgement = judge(evidence, mode, LIMITS)
    assert judgement.decision == "proved"
    unjudged = {each.what for each in judgement.findings if each.decision == "unjudged"}
    assert unjudged == {"fitness", "agreement", "label_drift", "score_drift", "accuracy"}


def test_a_model_that_a_process_gave_up_goes_back_at_once():
    evidence = Evidence()
    evidence.unfit("its host ended by signal 11")
    judgement = judge(evidence, "canary", LIMITS)
    assert judgement.decision == "worse" and "a process gave it up: its host ended by signal 11" in judgement.why


def test_that_a_process_could_not_load_it_is_no_verdict():
    evidence = seen("canary", 8000)
    evidence.not_loaded("memory")
    assert judge(evidence, "canary", LIMITS).decision == "proved"


def test_limits_are_kept_as_they_are_set():
    evidence = seen("canary", 2000, failing=100, slowness=3.0)
    assert judge(evidence, "canary", LIMITS).decision == "worse"
    assert judge(evidence, "canary", Limits(max_failures=0.05, max_slowdown=5.0)).decision == "proved"


def test_a_canary_is_not_proved_beside_an_old_model_that_was_never_asked():
    evidence = Evidence()
    for _ in range(8000):
        evidence.answered("new", Gist("cat", 0.9))
    assert judge(evidence, "canary", LIMITS).decision == "open"


def test_a_judgement_is_told_as_json_that_has_its_bounds():
    evidence = seen("shadow", 500, right=0.9)
    for number in range(20):
        evidence.unfit(f"{number} \x00🦊" * 100)
    told = json.dumps(judge(evidence, "shadow", LIMITS).to_json(), allow_nan=False)
    assert len(told) <= 4096
    whats = [each["what"] for each in json.loads(told)["findings"]]
    assert whats == [
        "fitness", "failures", "slowdown", "agreement", "label_drift", "score_drift", "accuracy",
    ]  # fmt: skip


@pytest.mark.parametrize(("mode", "needs_labels"), itertools.product(MODES, [False, True]))
def test_nothing_seen_is_an_open_verdict_in_words(mode, needs_labels):
    judgement = judge(Evidence(), mode, LIMITS, needs_labels)
    assert judgement.decision == "open" and "\n" not in judgement.why
    json.dumps(judgement.to_json(), allow_nan=False)


def test_a_surer_model_s_scores_are_not_held_against_it():
    shift = finding(judge(seen("canary", 2000, score=0.99), "canary", LIMITS), "score_drift")
    assert shift.decision == "proved" and shift.low is not None and shift.low > LIMITS.max_drift


def test_labels_that_one_model_has_too_many_of_are_no_drift_of_the_others():
    evidence = Evidence()
    for number in range(40_000):
        evidence.answered("old", Gist(f"label {number % 150}", 0.9))
        rare = number % 100 == 0
        evidence.answered("new", Gist(f"rare {number}" if rare else f"label {number % 150}", 0.9))
    drift = finding(judge(evidence, "canary", LIMITS), "label_drift")
    assert drift.decision == "proved"


@pytest.mark.parametrize("mode", MODES)
def test_models_whose_labels_have_nothing_in_common_are_told_so(mode):
    judgement = judge(seen(mode, 1000, label="a word"), mode, LIMITS)
    assert judgement.decision == "worse" and "the models have no label in common" in judgement.why
    assert "in common" not in judge(seen(mode, 1000, label="1"), mode, LIMITS).why


def test_a_trial_in_which_no_image_came_by_says_that_and_nothing_else():
    assert judge(Evidence(), "canary", LIMITS).why == "no image came by"


def test_no_accuracy_is_lower_by_more_than_all_of_it():
    accuracy = finding(judge(seen("canary", 150, right=0.0, old_right=1.0), "canary", LIMITS), "accuracy")
    assert accuracy.low == -1 and "(−100 to " in accuracy.text
