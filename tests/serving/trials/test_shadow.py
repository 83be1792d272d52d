"""In a shadow the new model is asked as well, and whatever becomes of it no answer is late, wrong or missing for it."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

import pytest

from models.hosting import hosted_engine
from models.trials.differing import REQUESTED
from models.trials.evidence import Evidence
from models.trials.sides import is_tried
from serving.admission import Room
from serving.asking import Asked
from serving.statuses import State
from tests.model_files import tiny_classifier
from tests.sample_images import plain
from tests.serving.running_core import PROTOCOL
from tests.serving.trials.trying import NEW, OLD, Trying, fails_to_prepare, trying
from tests.treacherous_models import TRIGGER, crashes, endless, treacherous
from tests.waiting import eventually

POLICY = "shadow:100%/600"
IMAGES = [plain(grey) for grey in range(100, 140)]
DROPPED = "hotswap_shadow_dropped_total"


def ask_the_old(tried: Trying, *images: bytes) -> None:
    answer = tried.running.ask(*images)
    assert answer.reference.model_id == tried.old
    assert answer.outputs["classes"].tolist() == [OLD] * len(images)


def names(evidence: Evidence) -> set[str]:
    return {each.image.removeprefix(REQUESTED) for each in evidence.most_different}


def test_the_old_model_answers_everything_and_both_are_compared(tmp_path: Path) -> None:
    with trying(tmp_path, POLICY) as tried:
        for image in IMAGES:
            ask_the_old(tried, image)
        ask_the_old(tried, *IMAGES[:3])  # one request, and one of evidence

        evidence = tried.await_evidence(lambda found: found.paired.images > len(IMAGES), "all images")
        assert (evidence.old.answered, evidence.new.answered) == (len(IMAGES) + 1,) * 2
        assert (evidence.paired.alike, evidence.paired.unlike) == (0, len(IMAGES) + 1)
        assert tried.running.metric('hotswap_trial_images_total{mode="shadow",side="new"}') == len(IMAGES) + 3
        assert tried.running.metric(DROPPED) == 0


def test_a_share_alone_is_asked_of_the_new_model(tmp_path: Path) -> None:
    with trying(tmp_path, "shadow:50%/600") as tried:
        of = {hashlib.sha256(image).hexdigest(): image for image in IMAGES[:24]}  # as many as evidence names
        of_the_share = {key for key in of if is_tried(tried.trial, key)}
        assert 0 < len(of_the_share) < len(of)
        last = of_the_share.pop()
        for key in [*(key for key in of if key != last), last]:  # the new model is asked in the same order
            ask_the_old(tried, of[key])
        evidence = tried.await_evidence(lambda found: last in names(found), "the last image to be asked about")
        assert names(evidence) == {*of_the_share, last}
        assert evidence.paired.images == len(of_the_share) + 1


def test_a_model_that_takes_other_images_is_given_its_own(tmp_path: Path) -> None:
    larger = partial(tiny_classifier, favours=NEW, side=16)
    with trying(tmp_path, POLICY, larger) as tried:
        for image in IMAGES[:2]:
            ask_the_old(tried, image)
        evidence = tried.await_evidence(lambda found: found.paired.images >= 2, "images")
        assert (evidence.new.answered, evidence.new.failed, evidence.paired.unlike) == (2, 0, 2)


def test_an_image_that_cannot_be_made_into_what_the_new_model_takes_is_its_failure_and_no_neighbours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    larger = partial(tiny_classifier, favours=NEW, side=16)
    fails_to_prepare(monkeypatch, IMAGES[1], 16)
    with trying(tmp_path, POLICY, larger) as tried:
        asked = [tried.running.begin(tried.running.core.answer(Asked([each]), PROTOCOL)) for each in IMAGES[:4]]
        assert {each.result(60).reference.model_id for each in asked} == {tried.old}
        evidence = tried.await_evidence(lambda found: found.paired.images >= 4, "images")
        assert (evidence.new.answered, evidence.new.failed, evidence.old.answered) == (3, 1, 4)


def test_a_model_that_hangs_holds_up_no_answer_and_what_finds_no_room_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosted_engine, "LEAST_SECONDS", 2.0)
    monkeypatch.setattr(hosted_engine, "FIRST_SECONDS", 2.0)
    hangs = partial(treacherous, treachery=endless())
    with trying(tmp_path, POLICY, hangs, room=Room(images=16)) as tried:
        ask_the_old(tried, plain(TRIGGER))
        for image in IMAGES:  # many more than wait, while the new one hangs
            ask_the_old(tried, image)
        assert tried.running.metric(DROPPED) > 0

        evidence = tried.await_evidence(lambda found: found.new.failed > 0, "an image without an answer")
        assert (evidence.new.failed, evidence.old.failed) == (1, 0)
        ask_the_old(tried, IMAGES[0])


def test_a_model_that_dies_for_good_is_taken_out_and_no_answer_fails(tmp_path: Path) -> None:
    dies = partial(treacherous, treachery=crashes())
    with trying(tmp_path, POLICY, dies) as tried:
        tried.lose_what_was_compiled()
        ask_the_old(tried, plain(TRIGGER))

        eventually(lambda: tried.running.core.on_trial is None, "the new model to be given up")
        assert tried.running.await_state("new.onnx", State.END).reason
        for image in IMAGES:
            ask_the_old(tried, image)
