"""What a catalogue makes of models that were rolled back, and of files that are lost."""

from __future__ import annotations

from dataclasses import replace

from models.errors import ModelFault, ModelRejected
from tests.models.cataloguing import Stating, catalogue, good, reference, stated, stored, uris


def both_valid(newest: str = "new", live: str = "live") -> Stating:
    """Two valid files, of which the newer one was rolled back."""
    new, old = stored(newest, 2), stored(live, 1)
    made = catalogue(new, old)
    made.record(new, good(newest, "y"), 101)
    made.record(old, good(live, "x"), 101)
    made.refuse({reference(newest, "y").sha256})
    return made


def test_what_was_rolled_back_is_passed_over() -> None:
    made = both_valid()
    assert made.successor(reference("live", "x"), 101) is None
    assert stated(made, 101) == "live"
    made.refuse(())
    assert stated(made, 101) == "new"


def test_what_was_rolled_back_and_then_made_live_stays() -> None:
    assert both_valid().successor(reference("new", "y"), 101) is None


def test_older_files_are_vetted_as_if_what_was_rolled_back_were_not_there() -> None:
    files = [stored(name, modified) for name, modified in (("one", 4), ("two", 3), ("third", 2), ("fourth", 1))]
    made = catalogue(*files)
    for file in files[:2]:
        made.record(file, good(file.uri, file.uri), 101)
    assert uris(made.to_vet(101, ())) == []
    made.refuse({reference(uri, uri).sha256 for uri in ("one", "two")})
    assert uris(made.to_vet(101, ())) == ["third", "fourth"]


def test_where_nothing_is_live_and_nothing_else_valid_what_was_rolled_back_answers() -> None:
    new, slow = stored("new", 2), stored("slow", 1)
    made = catalogue(new, slow)
    made.record(new, good("new", "y"), 101)
    made.refuse({reference("new", "y").sha256})
    assert stated(made, 101) is None
    assert stated(made, 130) == "new"


def test_a_file_is_lost_once_it_is_gone_or_holds_other_bytes_and_not_while_nobody_knows() -> None:
    tried, other = stored("tried", 2), stored("other", 1)
    model = reference("tried", "x")
    made = catalogue(tried, other)
    assert not made.has_lost(model)
    made.record(tried, good("tried", "x"), 101)
    assert (made.has_lost(model), made.name_of(model)) == (False, "m")
    touched = replace(tried, version="touched")
    made.observe([touched, other], 102)
    assert (made.has_lost(model), made.name_of(model)) == (False, "")
    made.record(touched, ModelRejected(ModelFault.TIMED_OUT, "", model.model_id), 200)
    assert not made.has_lost(model)
    made.record(touched, ModelRejected(ModelFault.UNSIGNED, "", model.model_id), 200)
    assert made.has_lost(model)
    made.record(touched, good("tried", "z"), 200)
    assert made.has_lost(model)
    made.observe([other], 201)
    assert made.has_lost(model)
