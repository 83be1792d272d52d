"""What is seen of two models is bounded, adds up in any order, and takes no harm from strangers' bytes."""

from __future__ import annotations

import json
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.trials.differing import MOST_IMAGES
from models.trials.evidence import MOST_BYTES, MOST_LABELS, MOST_PAIRS, SIDES, Evidence
from models.trials.gist import Gist

CAT, DOG = Gist("cat", 0.9), Gist("dog", 0.6)

any_float = st.floats(allow_nan=True, allow_infinity=True)
labels = st.one_of(st.none(), st.text(max_size=80), st.sampled_from(["cat", "dog", "\ud800", "x" * 500]))
gists = st.one_of(st.none(), st.builds(Gist, labels, st.one_of(st.none(), any_float)))
sides = st.sampled_from(SIDES)
notes = st.one_of(
    st.tuples(st.just("answered"), sides, gists, st.text(max_size=20)),
    st.tuples(st.just("called"), sides, st.integers(-1, 5000), any_float),
    st.tuples(st.just("compared"), st.text(max_size=20), gists, gists),
    st.tuples(st.just("labelled"), sides, st.booleans()),
    st.tuples(st.just("labelled_both"), st.booleans(), st.booleans()),
    st.tuples(st.just("unfit"), st.text()),
    st.tuples(st.just("not_loaded"), st.text()),
)


def evidence_of(told) -> Evidence:
    evidence = Evidence()
    for method, *arguments in told:
        getattr(evidence, method)(*arguments)
    return evidence


def merged(*parts: Evidence) -> Evidence:
    whole = Evidence()
    for part in parts:
        whole.merge(part)
    return whole


def hostile(seed: int, images: int) -> Evidence:
    """Of models that never say the same twice, as long and as awkward as they can."""
    rng = random.Random(seed)
    evidence = Evidence()
    for number in range(images):
        old = Gist('\\"é€' * rng.randint(1, 60) + str(rng.random()), rng.random())
        new = Gist("\x00🦊\u2028" * rng.randint(1, 90) + str(rng.random()), rng.random())
        image = f'"\\\x07{number} of {seed}' * 100
        evidence.answered("old", old, image)
        evidence.answered("new", new, image)
        evidence.compared(image, old, new)
        for side in SIDES:
            evidence.called(side, rng.randint(1, 2000), 10 ** rng.uniform(-9, 9))
        evidence.unfit(f"{rng.random()}\n" * 100)
        evidence.not_loaded(f"{rng.random()}🦊" * 100)
    return evidence


def test_what_was_noted_is_counted():
    evidence = Evidence()
    evidence.answered("old", CAT)
    evidence.answered("new", None)
    evidence.answered("new", DOG)
    assert (evidence.old.answered, evidence.old.failed, evidence.old.images) == (1, 0, 1)
    assert (evidence.new.answered, evidence.new.failed, evidence.new.images) == (1, 1, 2)
    assert list(evidence.new.labels.items()) == [(("dog",), 1)]


def test_pairs_of_answers_are_compared_by_their_labels():
    evidence = Evidence()
    for old, new in [(CAT, CAT), (CAT, DOG), (CAT, DOG), (CAT, None), (None, DOG), (None, None)]:
        evidence.compared("image", old, new)
    paired = evidence.paired
    assert (paired.images, paired.alike, paired.unlike, paired.old_alone, paired.new_alone) == (6, 1, 2, 1, 1)
    assert list(paired.pairs.items()) == [(("cat", "dog"), 2), (("cat", "cat"), 1)]


def test_bare_numbers_are_not_compared():
    evidence = Evidence()
    evidence.compared("image", Gist(None, None), Gist(None, None))
    assert (evidence.paired.images, evidence.paired.alike, evidence.paired.unlike) == (1, 0, 0)


def test_the_images_kept_are_those_on_which_the_models_differ_most():
    evidence = Evidence()
    for number in range(200):
        evidence.compared(f"alike-{number}", Gist("cat", 0.5), Gist("cat", 0.5 + number / 1000))
    for number in range(10):
        evidence.compared(f"unlike-{number}", Gist("cat", 0.5), Gist("dog", number / 10))
    kept = list(evidence.most_different)
    assert len(kept) == MOST_IMAGES
    assert [each.image for each in kept[:10]] == [f"unlike-{number}" for number in reversed(range(10))]
    assert kept[10].image == "alike-199" and kept[0].old == Gist("cat", 0.5) and kept[0].new == Gist("dog", 0.9)


def test_a_canary_keeps_the_images_of_which_the_new_model_is_least_sure():
    evidence = Evidence()
    for number in range(100):
        evidence.answered("new", Gist("cat", number / 100), f"image-{number}")
        evidence.answered("old", Gist("cat", 0.0), f"other-{number}")
    assert [each.image for each in evidence.least_sure] == [f"image-{number}" for number in range(MOST_IMAGES)]


def test_a_hostile_model_fills_no_more_than_its_place():
    evidence = hostile(seed=1, images=3000)
    assert len(evidence.encode()) <= MOST_BYTES
    assert len(evidence.new.labels) <= MOST_LABELS and len(evidence.paired.pairs) <= MOST_PAIRS
    assert evidence.new.labels.total == evidence.paired.pairs.total == 3000


def test_of_too_many_labels_the_same_ones_are_kept_and_wholly_counted_whoever_adds_up():
    parts = [hostile(seed, images=700) for seed in range(3)]
    one, another = merged(*parts), merged(merged(parts[2], parts[0]), parts[1])
    assert one.encode() == another.encode()
    assert len(one.encode()) <= MOST_BYTES


def test_a_thousand_labels_are_counted_to_the_last_one():
    evidence = Evidence()
    for number in range(10_000):
        evidence.answered("new", Gist(f"label {number % 1000}", 0.5))
    kept = dict(evidence.new.labels.items())
    assert len(kept) == MOST_LABELS and set(kept.values()) == {10}
    assert evidence.new.labels.rest == 8000


def test_images_that_differ_as_much_are_the_same_ones_whoever_adds_up():
    told = [("compared", f"image {number % 40}", CAT, Gist("dog", number % 2 / 10)) for number in range(200)]
    forth, back = evidence_of(told), evidence_of(reversed(told))
    assert forth.encode() == back.encode()
    assert [each.image for each in merged(back, forth).most_different] == [each.image for each in forth.most_different]


@settings(max_examples=60, deadline=None)
@given(st.lists(notes, max_size=40), st.lists(notes, max_size=40), st.lists(notes, max_size=40))
def test_evidence_adds_up_in_any_order_and_comes_back_as_it_was(first, second, third):
    a, b, c = evidence_of(first), evidence_of(second), evidence_of(third)
    whole = merged(a, b, c).encode()
    assert merged(c, merged(b, a)).encode() == whole
    assert evidence_of([*third, *first, *second]).encode() == whole
    assert Evidence.decode(whole).encode() == whole


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_evidence_are_refused(data):
    with pytest.raises(ValueError):
        Evidence.decode(data)


scalars = st.one_of(st.none(), st.booleans(), st.integers(), any_float, st.text(max_size=10))
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)


def places(value, at=()):
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*at, key))


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_evidence_that_was_tampered_with_is_refused_or_harmless(data):
    evidence = hostile(seed=2, images=3)
    evidence.labelled("new", True)
    told = json.loads(evidence.encode())
    *way, last = data.draw(st.sampled_from([at for at in places(told) if at]))
    inner = told
    for key in way:
        inner = inner[key]
    inner[last] = data.draw(json_values)
    try:
        read = Evidence.decode(json.dumps(told).encode())
    except ValueError:
        return
    read.merge(evidence)
    assert len(read.encode()) <= MOST_BYTES
    assert read.new.latencies.quantile(0.5) is not None and 0 <= read.new.scores.mean <= 1


@pytest.mark.parametrize("data", [b"[" * 100_000, b"9" * 100_000, b"{}", b"null", b"\xff", b" " * (MOST_BYTES + 1)])
def test_bytes_made_to_hurt_are_refused(data):
    with pytest.raises(ValueError):
        Evidence.decode(data)


def test_a_pair_of_labels_has_two():
    evidence = Evidence()
    evidence.compared("image", CAT, DOG)
    told = json.loads(evidence.encode())
    told["paired"]["pairs"]["counts"] = [["cat", 1]]
    with pytest.raises(ValueError, match="2 strings"):
        Evidence.decode(json.dumps(told).encode())


def test_a_later_version_s_evidence_is_refused():
    told = json.loads(Evidence().encode()) | {"form": 2}
    with pytest.raises(ValueError, match="does not know"):
        Evidence.decode(json.dumps(told).encode())


def test_times_are_told_within_ten_percent():
    evidence = Evidence()
    for number in range(1, 1001):
        evidence.called("new", 4, 4 * number / 1000)
    times = evidence.new.latencies
    assert times.quantile(0.5) == pytest.approx(0.5, rel=0.1)
    assert times.quantile(0.99) == pytest.approx(0.99, rel=0.1)
    assert times.calls == 1000 and Evidence().new.latencies.quantile(0.5) is None


def test_times_and_scores_that_are_no_numbers_change_nothing():
    evidence = Evidence()
    for value in (math.nan, math.inf, -math.inf):
        evidence.called("new", 1, value)
        evidence.answered("new", Gist("cat", value))
        evidence.compared("image", Gist("cat", value), Gist("cat", 0.5))
    assert evidence.new.latencies.calls == 0 and evidence.new.scores.count == 0
    assert evidence.new.answered == 3
    assert all(math.isfinite(each.distance) for each in evidence.most_different)
