"""The gate, with real models: only what is better is published, and every refusal says why."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from models.card_fields import MAX_LABEL
from models.releasing.card_in_file import embedded_card
from studio.retraining.datasets import Arrays
from studio.retraining.digits import no_digits
from studio.retraining.gate import Word, card_of, gate, judge
from studio.retraining.parents import NotTunable, take_parent
from studio.retraining.scores import Score, Scores
from studio.retraining.tuning import tune
from tests.model_files import tiny_classifier
from tests.studio.retraining.conftest import Loop

SETTINGS = {"margin": 0.01}


def scores(test: int, unseen: int, of: int = 10, variants: int = 0, variants_of: int = 16) -> Scores:
    return Scores(Score(test, 100), Score(unseen, of), Score(variants, variants_of))


@pytest.mark.parametrize(
    ("candidate", "live", "word"),
    [
        pytest.param(scores(0, 0), None, Word.FIRST, id="nothing is live"),
        pytest.param(scores(90, 5), scores(90, 4), Word.BETTER, id="one more correction"),
        pytest.param(scores(89, 5), scores(90, 4), Word.BETTER, id="worse on digits within the margin"),
        pytest.param(scores(88, 9), scores(90, 4), Word.WORSE_ON_DIGITS, id="worse on digits beyond it"),
        pytest.param(scores(90, 4), scores(90, 4), Word.NOT_BETTER, id="equal"),
        pytest.param(scores(99, 3), scores(90, 4), Word.NOT_BETTER, id="better on digits alone"),
        pytest.param(scores(99, 4, variants=16), scores(90, 4), Word.NOT_BETTER, id="better on variants alone"),
        pytest.param(scores(90, 5), scores(90, 4, variants=16), Word.BETTER, id="worse on variants alone"),
    ],
)
def test_a_candidate_is_judged_by_digits_and_unseen_corrections(
    candidate: Scores, live: Scores | None, word: Word
) -> None:
    judgement = judge(candidate, live, 4, 0.01)
    assert judgement.word is word
    assert judgement.publishes == (word in ("first", "better"))


@pytest.mark.parametrize("of", [pytest.param(0, id="there are none"), pytest.param(10, id="the live model has all")])
def test_where_unseen_corrections_leave_nothing_to_be_better_at_fresh_variants_judge(of: int) -> None:
    live = scores(90, of, of, variants=3)
    better = judge(scores(89, of, of, variants=4), live, 1, 0.01)
    assert (better.word, better.publishes) == (Word.BETTER_ON_VARIANTS, True)
    assert better.detail.startswith("4 of 16 fresh variants of the corrections are right, where the live model has 3; ")
    equal = judge(scores(99, of, of, variants=3), live, 1, 0.01)
    assert (equal.word, equal.publishes) == (Word.NOT_BETTER_ON_VARIANTS, False)
    assert judge(scores(88, of, of, variants=16), live, 1, 0.01).word is Word.WORSE_ON_DIGITS


def test_a_candidate_that_loses_an_unseen_correction_is_refused_whatever_the_variants_say() -> None:
    assert judge(scores(99, 9, variants=16), scores(90, 10), 1, 0.01).word is Word.NOT_BETTER


def test_without_variants_only_unseen_corrections_judge() -> None:
    none = scores(90, 0, 0, variants_of=0)
    assert judge(none, none, 1, 0.01).word is Word.NO_UNSEEN_CORRECTIONS
    assert judge(none, none, 0, 0.01).word is Word.NO_CORRECTIONS
    all_right = scores(90, 10, variants_of=0)
    assert judge(all_right, all_right, 1, 0.01).word is Word.NOT_BETTER


def test_it_is_told_by_what_a_model_was_judged() -> None:
    none = judge(scores(90, 0, 0, variants=16), scores(90, 0, 0), 1, 0.01)
    assert none.detail.endswith("; no drawing is held back yet to judge by")
    some = judge(scores(90, 2, 2, variants=16), scores(90, 2, 2), 1, 0.01)
    assert some.detail.endswith("; both have all 2 unseen corrections right")


def judged(loop: Loop, candidate: Path, report: Any, live: Path, folder: Path) -> Any:
    """The verdict on a candidate where another model alone is live."""
    models = folder / "models"
    models.mkdir()
    shutil.copy(live, models / f"live{live.suffix}")
    names = ("test", "unseen", "variants")
    test, unseen, variants = (Arrays(f"{loop.place.folder}/work/{name}.npz").load() for name in names)
    return gate(candidate, report, test, unseen, variants, models, SETTINGS)


def test_an_equal_model_is_not_published(loop: Loop, tmp_path: Path) -> None:
    verdict = judged(loop, loop.tuned, loop.tuned_report, loop.tuned, tmp_path)
    assert (verdict["verdict"], verdict["reason"]) == ("refused", "not_better_on_corrections")
    assert verdict["candidate_right"] == verdict["live_right"]
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["live.keras"]


def test_the_live_model_counts_the_same_through_its_engine_as_by_keras(loop: Loop) -> None:
    _, second = loop.verdicts
    assert second["live_right"]["variants"]["of"] > 0
    assert second["live_right"]["test"] == loop.trained_report["right"]["test"]


def test_what_vetting_rejects_is_not_published(loop: Loop, tmp_path: Path) -> None:
    (tmp_path / "digits.keras").write_bytes(b"no model")
    verdict = judged(loop, tmp_path / "digits.keras", loop.tuned_report, loop.trained, tmp_path)
    assert (verdict["verdict"], verdict["reason"]) == ("refused", "rejected")
    assert verdict["detail"].startswith("not_a_model: ")
    assert len(list((tmp_path / "models").iterdir())) == 1


def test_a_model_of_other_things_knows_no_digit(loop: Loop, tmp_path: Path) -> None:
    tiny_classifier(tmp_path / "pets.onnx", card={"labels": ["cat", "dog", "emu"]})
    verdict = judged(loop, loop.tuned, loop.tuned_report, tmp_path / "pets.onnx", tmp_path)
    assert (verdict["verdict"], verdict["live_right"]["test"]) == ("published", {"right": 0, "of": 600})
    assert embedded_card(Path(verdict["model_id"].partition("@")[0]))["name"] == "digits"


def test_a_long_parent_keeps_its_digest_in_the_card(loop: Loop) -> None:
    tags = card_of(loop.tuned_report | {"parent": "x" * 600 + "@sha256:0123456789ab"})["tags"]
    [parent] = [tag for tag in tags if tag.startswith("parent=")]
    assert len(parent) == MAX_LABEL and parent.endswith("@sha256:0123456789ab")


def test_where_no_model_is_live_there_is_none_to_tune(tmp_path: Path) -> None:
    with pytest.raises(NotTunable, match=r"there is no valid model in .*; train one by the pipeline __default__"):
        take_parent(tmp_path)


def test_a_model_of_other_images_is_not_tuned(tmp_path: Path) -> None:
    tiny_classifier(tmp_path / "m.onnx")
    with pytest.raises(NotTunable, match="takes other images than 28x28 in grey"):
        take_parent(tmp_path)


def test_nothing_is_tuned_without_corrections() -> None:
    with pytest.raises(NotTunable, match="correct more drawings"):
        tune(None, "m.keras@sha256:0", no_digits(), no_digits(), {})
