"""What a registry keeps of files: one verdict for each version, on the same terms, whatever lies in its place."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from models.card_fields import MAX_LABEL
from models.errors import ModelFault, ModelRejected
from models.reference import ModelReference
from models.registry import registry as registering
from models.registry.records import MOST_TAGS, Accepted, Judgement
from models.registry.registry import Registry, Terms
from models.storage import StoredFile
from models.storage.local_objects import LocalObjects
from tests.model_files import vetted_classifier

PATTERN = "gs://b/models/*.h5"
TERMS = Terms("auto", 10_000)
FILE = StoredFile("gs://b/models/m.h5", 10, 1.0, "1795", finished=True)
GOOD = Accepted(ModelReference(FILE.uri, "a" * 64), "birds", "onnx: fastest", "1.2", "onnx")
BAD = ModelRejected(ModelFault.NOT_A_MODEL, "no model at all", f"{FILE.uri}@sha256:{'b' * 12}")


@pytest.fixture
def objects(tmp_path: Path) -> LocalObjects:
    return LocalObjects(tmp_path)


def opened(objects: LocalObjects, terms: Terms = TERMS) -> Registry:
    """As another process opens it."""
    return Registry(objects, PATTERN, terms)


def judged(verdict: Accepted | ModelRejected, file: StoredFile = FILE) -> Judgement:
    return Judgement(file.uri, file.version, verdict, 1.5)


@pytest.mark.parametrize("verdict", [GOOD, BAD, ModelRejected(ModelFault.TOO_LARGE, "never read whole")])
def test_a_verdict_is_known_to_all(objects: LocalObjects, verdict: Accepted | ModelRejected) -> None:
    made = judged(verdict)
    assert opened(objects).judgement(FILE) is None
    assert opened(objects).record(FILE, made) is made
    known = opened(objects).judgement(FILE)
    assert known is not None
    assert (str(known.verdict), known.seconds, known.worker, known.time) == (
        str(verdict),
        1.5,
        made.worker,
        made.time,
    )
    assert getattr(known.verdict, "model_id", None) == getattr(verdict, "model_id", None)


def test_the_first_verdict_stands(objects: LocalObjects) -> None:
    opened(objects).record(FILE, judged(GOOD))
    assert opened(objects).record(FILE, judged(BAD)).verdict == GOOD
    known = opened(objects).judgement(FILE)
    assert known is not None
    assert known.verdict == GOOD


def test_another_version_of_a_file_has_a_verdict_of_its_own(objects: LocalObjects) -> None:
    opened(objects).record(FILE, judged(GOOD))
    assert opened(objects).judgement(replace(FILE, version="1796")) is None
    assert opened(objects).judgement(replace(FILE, uri="gs://b/models/n.h5")) is None


def test_another_engine_has_verdicts_of_its_own_and_people_are_told_of_others(objects: LocalObjects) -> None:
    opened(objects).record(FILE, judged(GOOD))
    other = opened(objects, Terms("onnx", 10_000))
    assert other.judgement(FILE) is None
    found = other.judgement_on_other_terms(FILE)
    assert found is not None
    assert found.verdict == GOOD


@pytest.mark.parametrize("other", [Terms("auto", 9), Terms("auto", 10_000, ("a key",)), Terms("auto", 10_000, ("b",))])
def test_a_verdict_by_other_rules_is_none(objects: LocalObjects, other: Terms) -> None:
    opened(objects, Terms("auto", 10_000, ("b", "c"))).record(FILE, judged(GOOD))
    opened(objects).record(FILE, judged(GOOD))
    assert opened(objects, other).judgement(FILE) is None
    assert opened(objects, other).judgement_on_other_terms(FILE) is None


@pytest.mark.parametrize("fault", [ModelFault.TOO_LARGE, ModelFault.TIMED_OUT, ModelFault.CRASHED])
def test_a_rejection_that_tells_of_the_machine_binds_no_larger_one_and_no_later_run_here(
    objects: LocalObjects, fault: ModelFault, monkeypatch: pytest.MonkeyPatch
) -> None:
    rejected = judged(ModelRejected(fault, "it took too much", f"{FILE.uri}@sha256:{'b' * 12}"))
    opened(objects).record(FILE, rejected)
    assert opened(objects).judgement(FILE) is not None
    assert Registry(objects, PATTERN, TERMS, forgets=True).judgement(FILE) is None
    monkeypatch.setattr(registering, "machine_bytes", lambda: 2 * rejected.memory)
    assert opened(objects).judgement(FILE) is None
    assert opened(objects).record(FILE, judged(GOOD)).verdict == GOOD
    known = opened(objects).judgement(FILE)
    assert known is not None
    assert known.verdict == GOOD


def test_a_pattern_that_reaches_into_the_registry_does_not_find_it(objects: LocalObjects, tmp_path: Path) -> None:
    own = replace(FILE, uri=f"{tmp_path}/verdicts/any/x.json")
    assert opened(objects).models_among([own, FILE]) == [FILE]


@pytest.mark.parametrize(
    ("other", "shared"), [(Terms("onnx", 10_000), True), (Terms("auto", 10_000, ("a key",)), False)]
)
def test_readers_with_other_rules_have_a_pointer_of_their_own_and_with_another_engine_the_same(
    objects: LocalObjects, other: Terms, shared: bool
) -> None:
    mine, theirs = opened(objects), opened(objects, other)
    mine.live.look()
    mine.live.move(GOOD.reference, "")
    theirs.live.look()
    assert (theirs.live.statement is not None) is shared


@pytest.mark.parametrize(
    "planted",
    [
        b"",
        b"{}",
        b"[" * 100_000,
        json.dumps({"format": 1, "uri": FILE.uri, "version": FILE.version, "verdict": "accepted"}).encode(),
        judged(GOOD, replace(FILE, uri="gs://b/models/other.h5")).encode(),
        judged(GOOD, replace(FILE, version="1")).encode(),
        judged(replace(GOOD, reference=ModelReference(FILE.uri, "../../etc"))).encode(),
    ],
)
def test_what_is_no_verdict_on_this_file_is_not_believed_and_replaced(objects: LocalObjects, planted: bytes) -> None:
    registry = opened(objects)
    registry.record(FILE, judged(GOOD))
    [name] = objects.names("verdicts/")
    found = objects.read(name)
    assert found is not None
    objects.swap(name, planted, found.version)
    assert registry.judgement(FILE) is None
    assert registry.record(FILE, judged(BAD)).verdict is BAD
    known = opened(objects).judgement(FILE)
    assert known is not None
    assert str(known.verdict) == str(BAD)


def test_a_verdict_tells_the_tags_and_one_of_an_earlier_version_none(objects: LocalObjects) -> None:
    tagged = replace(GOOD, tags=("stage=live", "a word"))
    opened(objects).record(FILE, judged(tagged))
    known = opened(objects).judgement(FILE)
    assert known is not None
    assert known.verdict == tagged

    written = json.loads(judged(tagged).encode())
    del written["tags"]
    before = Judgement.decode(json.dumps(written).encode(), FILE)
    assert before.verdict == GOOD


@pytest.mark.parametrize("tags", ["stage=live", {"stage": "live"}, ["stage=live", 3]])
def test_tags_that_are_none_make_no_verdict(tags: object) -> None:
    written = json.loads(judged(GOOD).encode()) | {"tags": tags}
    with pytest.raises(ValueError, match="in place of"):
        Judgement.decode(json.dumps(written).encode(), FILE)


def test_a_verdict_on_a_model_of_the_most_and_longest_tags_is_read_again(objects: LocalObjects) -> None:
    longest = replace(GOOD, tags=tuple(f"{number}=".ljust(MAX_LABEL, "\U000e0020") for number in range(MOST_TAGS)))
    opened(objects).record(FILE, judged(longest))
    known = opened(objects).judgement(FILE)
    assert known is not None
    assert isinstance(known.verdict, Accepted)
    assert len(known.verdict.tags) == MOST_TAGS


def test_a_verdict_tells_the_card_unless_it_is_very_long_or_an_earlier_version_wrote_it(tmp_path: Path) -> None:
    vetted = vetted_classifier(tmp_path, uri=FILE.uri)
    told = Accepted.of(vetted)
    card = vetted.artefact.manifest.card
    assert told.card == card
    assert Judgement.decode(judged(told).encode(), FILE).verdict == told

    written = json.loads(judged(told).encode())
    del written["card"]
    assert Judgement.decode(json.dumps(written).encode(), FILE).verdict == replace(told, card=None)

    long = replace(card, labels=tuple(f"label {number}" for number in range(10_000)))
    artefact = replace(vetted.artefact, manifest=replace(vetted.artefact.manifest, card=long))
    assert Accepted.of(replace(vetted, artefact=artefact)).card is None


@pytest.mark.parametrize("card", ["digits", [], 3, {"input": 7}, {"unknown": 1}, {"labels": ["a\u2028"]}])
def test_a_card_that_is_none_makes_no_verdict(card: object) -> None:
    written = json.loads(judged(GOOD).encode()) | {"card": card}
    with pytest.raises(ValueError, match=r"lacks something|in place of"):
        Judgement.decode(json.dumps(written).encode(), FILE)
