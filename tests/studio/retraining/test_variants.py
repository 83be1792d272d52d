"""Few corrections are learnt as many: the drawings themselves, and what the same hand might draw again."""

from __future__ import annotations

import numpy as np

from studio.retraining.variants import fresh_variants, variants_of
from tests.studio.retraining.retraining_runs import inverted_digits

SETTINGS = {"seed": 7, "most_of_each": 8, "most": 20, "turn": 10, "scale": 0.1, "slant": 0.1, "shift": 1.5}


def test_each_drawing_is_there_itself_and_in_as_many_variants_as_the_others() -> None:
    drawn = inverted_digits(2)
    varied = variants_of(drawn, SETTINGS)
    assert len(varied) == 16 and np.array_equal(varied.pixels[:2], drawn.pixels)
    assert np.bincount(varied.labels).max() == 8
    assert len({pixels.tobytes() for pixels in varied.pixels}) == 16


def test_a_variant_is_nearer_to_its_drawing_than_to_another_digit() -> None:
    drawn = inverted_digits(2)
    assert drawn.labels[0] != drawn.labels[1]
    varied = variants_of(drawn, SETTINGS)
    far = [[np.abs(each.astype(int) - one).mean() for one in drawn.pixels.astype(int)] for each in varied.pixels]
    assert np.array_equal(drawn.labels[np.argmin(far, axis=1)], varied.labels)


def test_the_same_settings_give_the_same_and_another_seed_others() -> None:
    drawn = inverted_digits(2)
    first, again = (variants_of(drawn, SETTINGS).pixels for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, variants_of(drawn, SETTINGS | {"seed": 8}).pixels)


def test_no_more_are_made_than_wanted_and_many_drawings_stay_as_they_are() -> None:
    assert len(variants_of(inverted_digits(5), SETTINGS)) == 20
    many = inverted_digits(30)
    assert np.array_equal(variants_of(many, SETTINGS).pixels, many.pixels)


def test_fresh_variants_are_none_that_a_training_saw_and_always_the_same() -> None:
    drawn = inverted_digits(2)
    fresh = fresh_variants(drawn, {"variants": 16}, SETTINGS)
    assert np.array_equal(fresh.labels, np.tile(drawn.labels, 16))
    learnt = variants_of(drawn, SETTINGS | {"most_of_each": 32, "most": 512})
    assert not {each.tobytes() for each in fresh.pixels} & {each.tobytes() for each in learnt.pixels}
    assert np.array_equal(fresh.pixels, fresh_variants(drawn, {"variants": 16}, SETTINGS | {"seed": 8}).pixels)


def test_there_are_no_fresh_variants_of_nothing_and_none_where_none_are_wanted() -> None:
    assert len(fresh_variants(inverted_digits(2)[:0], {"variants": 16}, SETTINGS)) == 0
    assert len(fresh_variants(inverted_digits(2), {"variants": 0}, SETTINGS)) == 0
