"""The rule, held against ten lines that say the same; and its finer points, one by one. The clock is simulated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from models.errors import ModelFault, ModelRejected
from models.registry.records import Verdict
from models.storage import StoredFile
from tests.models.cataloguing import Stating, catalogue, good, reference, stated, stored, uris

BAD = "bad"


def verdict_on(uri: str, content: str) -> Verdict:
    rejected = ModelRejected(ModelFault.TRUNCATED, content, reference(uri, content).model_id)
    return rejected if content.startswith(BAD) else good(uri, content)


@dataclass(frozen=True)
class OnDisk:
    content: str
    modified: float
    version: int


def the_rule(disk: dict[str, OnDisk], live: Any) -> Any:
    """The newest valid file: newest by modification time, then by name. Without any, what was live stays live."""
    valid = [(file.modified, uri) for uri, file in disk.items() if not file.content.startswith(BAD)]
    if not valid:
        return live
    _, newest = max(valid)
    return good(newest, disk[newest].content).reference


class NewestValidFileWins(RuleBasedStateMachine):
    """Any sequence of what can happen to files, their listing, their vetting and their watcher."""

    names = st.sampled_from(["a.h5", "b.h5", "c.h5", "d.h5"])
    contents = st.sampled_from(["one", "two", "three", "bad one", "bad two"])
    ages = st.sampled_from([-3600.0, 0.0, 0.0, 0.5, 10.0, 86400.0])

    @initialize(finished=st.booleans())
    def begin(self, finished: bool) -> None:
        self.now = 1e9
        self.finished = finished
        self.versions = 0
        self.disk: dict[str, OnDisk] = {}
        self.vetting: dict[str, tuple[StoredFile, str]] = {}
        self.restart()

    def listing(self) -> list[StoredFile]:
        return [
            StoredFile(uri, len(each.content), each.modified, str(each.version), self.finished)
            for uri, each in self.disk.items()
        ]

    @rule(uri=names, content=contents, age=ages)
    def drop_or_overwrite_or_corrupt(self, uri: str, content: str, age: float) -> None:
        self.versions += 1
        self.disk[uri] = OnDisk(content, self.now - age, self.versions)

    @rule(uri=names)
    def delete(self, uri: str) -> None:
        self.disk.pop(uri, None)

    @rule(uri=names)
    def touch(self, uri: str) -> None:
        if uri in self.disk:
            self.versions += 1
            self.disk[uri] = replace(self.disk[uri], modified=self.now, version=self.versions)

    @rule()
    def restart(self) -> None:
        self.catalogue = Stating()
        self.vetting.clear()

    @rule(seconds=st.sampled_from([0.1, 0.9, 4.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def an_empty_listing(self) -> None:
        before = self.catalogue.decide(self.now)
        self.catalogue.observe([], self.now)
        assert self.catalogue.decide(self.now) == before

    @rule()
    def poll(self) -> None:
        self.catalogue.observe(self.listing(), self.now)
        for file in self.catalogue.to_vet(self.now, self.vetting):
            if file.uri in self.disk and str(self.disk[file.uri].version) == file.version:
                self.vetting[file.uri] = (file, self.disk[file.uri].content)

    @rule(data=st.data())
    def some_vetting_ends(self, data: st.DataObject) -> None:
        if self.vetting:
            uri = data.draw(st.sampled_from(sorted(self.vetting)))
            file, content = self.vetting.pop(uri)
            self.catalogue.record(file, verdict_on(uri, content), self.now)

    @rule(uri=names)
    def some_vetting_finds_storage_trouble(self, uri: str) -> None:
        if uri in self.vetting:
            self.catalogue.postpone(self.vetting.pop(uri)[0], self.now + 8)

    @rule()
    def all_comes_to_rest(self) -> None:
        live = self.catalogue.stated
        for _ in range(20):
            self.poll()
            for uri in list(self.vetting):
                file, content = self.vetting.pop(uri)
                self.catalogue.record(file, verdict_on(uri, content), self.now)
            self.catalogue.decide(self.now)
            self.now += 5
        assert self.catalogue.decide(self.now) == the_rule(self.disk, live)

    @invariant()
    def what_is_stated_needs_no_second_thought(self) -> None:
        stated = self.catalogue.decide(self.now)
        assert self.catalogue.successor(stated, self.now) is None

    def teardown(self) -> None:
        if hasattr(self, "disk"):
            self.all_comes_to_rest()


test_the_newest_valid_file_wins_from_any_order_of_events = NewestValidFileWins.TestCase
NewestValidFileWins.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


def test_with_a_bad_newest_and_a_good_older_file_the_job_starts_on_the_good_one() -> None:
    bad, fine = stored("bad", 2), stored("fine", 1)
    made = catalogue(bad, fine)
    made.record(bad, ModelRejected(ModelFault.NOT_A_MODEL, ""), 100)
    made.record(fine, good("fine", "x"), 100)
    assert stated(made) == "fine"


def test_the_first_statement_waits_for_a_newer_file_but_not_for_ever() -> None:
    slow, fine = stored("slow", 2), stored("fine", 1)
    made = catalogue(slow, fine)
    made.record(fine, good("fine", "x"), 101)
    assert stated(made, 101) is None
    assert made.next_change(101) == 130
    assert stated(made, 129.9) is None
    assert stated(made, 130) == "fine"
    made.record(slow, good("slow", "y"), 200)
    assert stated(made, 200) == "slow"


def test_the_first_statement_does_not_wait_for_what_others_alone_decide_upon() -> None:
    keras, fine = stored("keras", 2), stored("fine", 1)
    made = catalogue(keras, fine)
    assert made.leave(keras)
    assert not made.leave(keras)
    made.record(fine, good("fine", "x"), 101)
    assert stated(made, 101) == "fine"
    assert uris(made.to_vet(101, ())) == ["keras"]  # whose verdict is looked for
    made.record(keras, good("keras", "y"), 102)
    assert stated(made, 102) == "keras"


def test_a_live_file_that_is_left_to_others_with_its_new_bytes_stays_live_with_its_old_ones() -> None:
    live, older = stored("live", 2), stored("older", 1)
    made = catalogue(live, older)
    made.record(live, good("live", "x"), 101)
    made.record(older, good("older", "y"), 101)
    overwritten = replace(live, version="other", modified=live.modified + 1)
    made.observe([overwritten, older], 102)
    assert made.leave(overwritten)
    assert made.successor(reference("live", "x"), 200) is None


def test_a_clock_that_starts_at_zero_waits_just_as_long() -> None:
    slow, fine = stored("slow", 2), stored("fine", 1)
    made = catalogue(slow, fine, now=0.0)
    made.record(fine, good("fine", "x"), 0)
    assert stated(made, 29.9) is None
    assert stated(made, 30) == "fine"


def test_a_local_file_is_not_opened_before_it_holds_still() -> None:
    made = catalogue(stored("m", 100, "1", finished=False))
    assert made.to_vet(100, ()) == []
    assert uris(made.settling(100)) == ["m"]
    made.observe([stored("m", 100.9, "2", finished=False)], 100.9)
    assert made.to_vet(101.8, ()) == []
    assert uris(made.to_vet(101.9, ())) == ["m"]


def test_a_file_from_the_future_is_opened_all_the_same() -> None:
    made = catalogue(stored("m", 1e12, finished=False))
    assert uris(made.to_vet(101, ())) == ["m"]


def test_a_file_with_an_old_time_is_opened_at_once() -> None:
    assert uris(catalogue(stored("m", 1, finished=False)).to_vet(100, ())) == ["m"]


def test_no_local_file_is_rejected_for_being_early() -> None:
    early = stored("m", 100, finished=False)
    made = catalogue(early)
    bad = ModelRejected(ModelFault.NOT_A_MODEL, "")
    assert not made.record(early, bad, 101)
    assert made.stands_at(early, bad) == 105
    assert not made.record(early, bad, 104.9)
    assert made.record(early, bad, 105)


def test_no_file_is_rejected_because_its_signature_comes_a_moment_before_or_after_it() -> None:
    unsigned = ModelRejected(ModelFault.UNSIGNED, "")
    made = catalogue(stored("fine", 1))
    made.record(stored("fine", 1), good("fine", "x"), 100)
    assert stated(made) == "fine"
    newer = stored("m", 2, "1")
    made.observe([stored("fine", 1), newer], 200)
    assert made.stands_at(newer, unsigned) == 205
    assert not made.record(newer, unsigned, 204.9)
    signed = stored("m", 2, "1 signed")
    made.observe([stored("fine", 1), signed], 204.9)
    assert uris(made.to_vet(204.9, ())) == ["m"]
    assert made.record(signed, good("m", "y"), 205)
    assert stated(made, 205) == "m"

    changing = stored("m", 2, "1 signed otherwise")
    made.observe([stored("fine", 1), changing], 300)
    forged = ModelRejected(ModelFault.BAD_SIGNATURE, "", reference("m", "y").model_id)
    assert not made.record(changing, forged, 304.9)
    assert stated(made, 304.9) == "m"
    assert made.record(changing, forged, 305)
    assert stated(made, 305) == "fine"


def test_what_lay_there_unsigned_at_the_start_is_rejected_at_once() -> None:
    made = catalogue(stored("m", 1))
    assert made.record(stored("m", 1), ModelRejected(ModelFault.UNSIGNED, ""), 100)


def test_a_verdict_on_an_old_version_is_never_applied_to_a_new_one() -> None:
    old = stored("m", 1, "1")
    made = catalogue(old)
    made.observe([stored("m", 1, "2")], 101)
    assert not made.record(old, good("m", "x"), 102)
    made.postpone(old, 1e9)
    assert uris(made.to_vet(102, ())) == ["m"]


def test_a_verdict_on_a_deleted_file_is_not_applied() -> None:
    gone = stored("gone", 2)
    made = catalogue(gone, stored("m", 1))
    made.observe([stored("m", 1)], 101)
    assert not made.record(gone, good("gone", "x"), 102)
    assert set(made.listed()) == {"m"}


def test_an_emptied_listing_changes_nothing() -> None:
    fine = stored("fine", 1)
    made = catalogue(fine)
    made.record(fine, good("fine", "x"), 100)
    before = made.decide(100)
    made.observe([], 200)
    assert made.decide(200) is before
    made.observe([fine], 201)
    assert made.to_vet(201, ()) == []


def test_an_overwritten_live_file_stays_stated_until_its_new_bytes_are_decided_upon() -> None:
    live, older = stored("live", 2), stored("older", 1)
    made = catalogue(live, older)
    for file in (live, older):
        made.record(file, good(file.uri, file.uri), 100)
    before = made.decide(100)
    overwritten = stored("live", 3, "2")
    made.observe([overwritten, older], 101)
    assert made.decide(101) is before
    made.record(overwritten, ModelRejected(ModelFault.NOT_A_MODEL, ""), 102)
    assert stated(made, 102) == "older"


def test_a_deleted_live_file_gives_way_to_the_one_before_at_once() -> None:
    live, older = stored("live", 2), stored("older", 1)
    made = catalogue(live, older)
    for file in (live, older):
        made.record(file, good(file.uri, file.uri), 100)
    assert stated(made) == "live"
    made.observe([older], 101)
    assert stated(made, 101) == "older"


def test_of_many_files_at_the_start_only_the_first_two_good_ones_are_vetted() -> None:
    files = [stored(f"m{age}", 50 - age) for age in range(20)]
    made = catalogue(*files)
    made.record(files[0], good("m0", "x"), 100)
    assert uris(made.to_vet(100, ())) == ["m1"]
    made.record(files[1], ModelRejected(ModelFault.NOT_A_MODEL, ""), 100)
    assert uris(made.to_vet(100, ())) == ["m2"]
    made.record(files[2], good("m2", "x"), 100)
    assert made.to_vet(100, ()) == []
    made.observe([*files, stored("late", 1)], 101)
    assert uris(made.to_vet(101, ())) == ["late"]


def test_a_postponed_file_is_looked_at_again_when_its_time_has_come() -> None:
    file = stored("m", 1)
    made = catalogue(file)
    made.postpone(file, 120)
    assert made.to_vet(119, ()) == []
    assert made.settling(119) == []
    assert made.next_change(119) == 120
    assert uris(made.to_vet(120, ())) == ["m"]


def test_another_opinion_of_the_live_bytes_is_no_reason_to_go_back() -> None:
    live, older = stored("live", 2), stored("older", 1)
    made = catalogue(live, older)
    for file in (live, older):
        made.record(file, good(file.uri, file.uri), 100)
    assert stated(made) == "live"
    touched = stored("live", 3, "2")
    made.observe([touched, older], 101)
    made.record(touched, ModelRejected(ModelFault.TIMED_OUT, "", reference("live", "live").model_id), 102)
    assert stated(made, 102) == "live"
    newer = stored("newer", 4)
    made.observe([newer, touched, older], 103)
    made.record(newer, good("newer", "newer"), 103)
    assert stated(made, 103) == "newer"


def test_whoever_knows_only_what_is_stated_never_goes_back() -> None:
    live, older = stored("live", 2), stored("older", 1)
    made = catalogue(live, older)
    made.stated = reference("live", "live")
    made.record(older, good("older", "older"), 100)
    assert stated(made, 1e6) == "live"
