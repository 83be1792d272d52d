"""The watch on real files, with a vetter that only reads them and a clock that the tests move on."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models import watch as watching
from models.storage.errors import StorageUnavailable
from tests.models.watch_bench import WHY, Bench
from tests.waiting import eventually


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(watching, "SHORTEST_REST", 0.0005)
    bench = Bench(tmp_path)
    yield bench
    bench.watch.close()


def test_a_dropped_model_is_stated(bench: Bench) -> None:
    bench.drop("m.h5", "good")
    statement = bench.watch.wait_for_statement()
    assert statement is not None
    assert statement.reference.model_id.endswith(f"m.h5@sha256:{hashlib.sha256(b'good').hexdigest()[:12]}")
    bench.until_told(("accepted", "m.h5"))


def test_a_corrupt_file_changes_nothing(bench: Bench) -> None:
    bench.drop("m.h5", "good")
    before = bench.watch.wait_for_statement()
    bench.drop("n.h5", "bad", age=0)
    bench.clock.now += 1.5
    bench.until(lambda: len(bench.vetter.read) == 2)
    bench.looks(20)
    assert ("rejected", "n.h5") not in bench.events_now()  # its copy may have paused
    bench.clock.now += 5
    bench.until_told(("rejected", "n.h5"))
    bench.looks(20)
    assert bench.watch.statement is before
    assert bench.events_now() == [("accepted", "m.h5"), ("rejected", "n.h5")]
    assert Counter(name for name, _ in bench.vetter.read)["n.h5"] == 1


def test_with_a_bad_newest_and_a_good_older_file_the_watch_starts_on_the_good_one(tmp_path: Path) -> None:
    for name, content, age in (("new.h5", "bad", 10), ("old.h5", "good", 20), ("older.h5", "good too", 30)):
        (tmp_path / name).write_text(content)
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    bench = Bench(tmp_path)
    bench.watch.wait_for_statement()
    assert bench.stated() == "old.h5"
    bench.watch.close()


def test_many_files_at_the_start_state_the_newest(bench: Bench) -> None:
    bench.watch.close()
    for number in range(30):
        bench.drop(f"m{number:02}.h5", f"good {number}", age=1000 - number)
    bench.start()
    bench.watch.wait_for_statement()
    assert bench.stated() == "m29.h5"
    bench.looks(20)
    assert len(bench.vetter.read) <= 4


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads /proc")
def test_a_half_written_file_is_never_opened(bench: Bench) -> None:
    bench.drop("m.h5", "good")
    bench.watch.wait_for_statement()
    with (bench.folder / "n.h5").open("w") as growing:
        for piece in ("bad ", "as long as ", "it grows"):
            growing.write(piece)
            growing.flush()
            bench.looks()
            bench.clock.now += 100
            bench.looks()
        growing.seek(0)
        growing.write("good")
    bench.clock.now += 100
    bench.until_told(("accepted", "n.h5"))
    assert [content for name, content in bench.vetter.read if name == "n.h5"] == [b"goodas long as it grows"]
    assert ("rejected", "n.h5") not in bench.events_now()


def test_a_file_that_grows_while_nobody_is_seen_to_write_is_left_until_it_holds_still(bench: Bench) -> None:
    for number in range(8):
        bench.drop("m.h5", " ".join(["good", *map(str, range(1, number + 1))]), age=0)
        bench.looks()
        assert not bench.vetter.read
        bench.clock.now += 0.7
    bench.clock.now += 1
    bench.until_told(("accepted", "m.h5"))
    assert bench.vetter.read == [("m.h5", b"good 1 2 3 4 5 6 7")]


def test_a_pause_in_a_copy_is_no_rejection(bench: Bench) -> None:
    path = bench.drop("m.h5", "bad so far", age=0)
    bench.clock.now += 1.5
    bench.until(lambda: bench.vetter.read)
    bench.looks()
    path.write_text("good at last")
    bench.looks()
    bench.clock.now += 10
    bench.until_told(("accepted", "m.h5"))
    assert bench.events_now() == [("accepted", "m.h5")]


def test_a_copy_that_keeps_its_old_time_takes_over_by_that_time(bench: Bench) -> None:
    bench.drop("m.h5", "good", age=100)
    bench.watch.wait_for_statement()
    bench.drop("older.h5", "good old", age=200)
    bench.until_told(("accepted", "older.h5"))
    assert bench.stated() == "m.h5"
    bench.drop("newer.h5", "good new", age=50)
    bench.until(lambda: bench.stated() == "newer.h5")


def test_a_file_from_the_future_is_served(bench: Bench) -> None:
    bench.drop("m.h5", "good", age=-1e6)
    bench.looks()
    bench.clock.now += 2
    bench.until(lambda: bench.stated() == "m.h5")


def test_an_overwritten_file_takes_over_under_a_new_id(bench: Bench) -> None:
    bench.drop("m.h5", "good")
    first = bench.watch.wait_for_statement()
    bench.drop("m.h5", "good again", age=50)
    bench.until(lambda: bench.watch.statement is not first)
    assert bench.stated() == "m.h5"


def test_a_verdict_on_what_was_overwritten_meanwhile_is_never_applied(bench: Bench) -> None:
    bench.drop("m.h5", "slow good")
    bench.vetter.waiting.acquire()
    bench.drop("m.h5", "bad")
    bench.drop("n.h5", "good", age=500)
    bench.until_told(("accepted", "n.h5"))
    bench.looks()
    bench.vetter.let_go.set()
    bench.until_told(("rejected", "m.h5"))
    bench.until(lambda: bench.stated() == "n.h5")
    assert ("accepted", "m.h5") not in bench.events_now()


def test_a_file_deleted_while_it_is_vetted_is_forgotten(bench: Bench) -> None:
    bench.drop("n.h5", "good", age=500)
    bench.watch.wait_for_statement()
    bench.drop("m.h5", "slow good")
    bench.vetter.waiting.acquire()
    (bench.folder / "m.h5").unlink()
    bench.looks()
    bench.vetter.let_go.set()
    bench.looks(20)
    assert bench.stated() == "n.h5"
    assert bench.events_now() == [("accepted", "n.h5")]


def test_a_deleted_live_file_gives_way_to_the_one_before(bench: Bench) -> None:
    bench.drop("old.h5", "good old", age=500)
    bench.drop("new.h5", "good new")
    bench.until(lambda: bench.stated() == "new.h5")
    bench.until_told(("accepted", "old.h5"))
    (bench.folder / "new.h5").unlink()
    bench.until(lambda: bench.stated() == "old.h5")


def test_an_emptied_or_vanished_folder_changes_nothing(bench: Bench) -> None:
    path = bench.drop("m.h5", "good")
    before = bench.watch.wait_for_statement()
    path.unlink()
    bench.looks()
    bench.folder.rename(bench.folder.with_name("elsewhere"))
    bench.looks()
    assert bench.watch.statement is before


def test_a_touched_bad_file_is_not_rejected_twice(bench: Bench) -> None:
    path, large = bench.drop("m.h5", "bad"), bench.drop("n.h5", "large")
    bench.until_told(("rejected", "m.h5"), ("rejected", "n.h5"))
    for age in (50, 40, 30):
        for each in (path, large):
            os.utime(each, (bench.clock.now - age,) * 2)
        seen = len(bench.vetter.read)
        bench.looks()
        bench.until(lambda: len(bench.vetter.read) >= seen + 2)  # noqa: B023 - awaited here
    bench.looks()
    assert sorted(bench.events_now()) == [("rejected", "m.h5"), ("rejected", "n.h5")]


def test_bytes_that_come_back_after_others_are_told_again(bench: Bench) -> None:
    for age, content in ((90, "good A"), (80, "good B"), (70, "good A")):
        bench.drop("m.h5", content, age=age)
        digest = hashlib.sha256(content.encode()).hexdigest()[:12]
        bench.until(lambda: (now := bench.watch.statement) and now.reference.digest == digest)  # noqa: B023
    assert bench.events_now() == [("accepted", "m.h5")] * 3


def test_a_verdict_is_told_with_its_reason_and_how_long_it_took(bench: Bench) -> None:
    good, bad = bench.drop("good.h5", "good"), bench.drop("bad.h5", "bad")
    eventually(lambda: bench.events.counts().total() == 2, "both verdicts")
    told = {event.event: event for event in bench.events.drain()}
    assert (told["accepted"].model_id.partition("@")[0], told["accepted"].model_name) == (str(good), "m")
    assert told["accepted"].reason == WHY
    assert (told["rejected"].model_id.partition("@")[0], told["rejected"].model_name) == (str(bad), "bad")
    assert told["rejected"].reason == "not_a_model: bad"
    assert all(0 < event.seconds < 60 for event in told.values())


def test_what_was_told_of_a_file_is_forgotten_with_it(bench: Bench) -> None:
    bench.drop("keep.h5", "good")
    bench.until_told(("accepted", "keep.h5"))
    for times, age in enumerate((90, 80, 70), start=1):
        path = bench.drop("m.h5", "bad", age=age)
        bench.until_told(*[("rejected", "m.h5")] * times)
        path.unlink()
        bench.looks()
    assert bench.events_now() == [("accepted", "keep.h5")] + [("rejected", "m.h5")] * 3


def test_storage_loss_never_unloads(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bench.drop("m.h5", "good")
    before = bench.watch.wait_for_statement()
    bench.until_told(("accepted", "m.h5"))
    bench.storage.trouble = StorageUnavailable("503")
    bench.looks(200)
    assert bench.watch.statement is before
    bench.storage.trouble = PermissionError(13, "denied")  # an error that no storage should raise
    bench.looks(20)
    bench.storage.trouble = None
    bench.drop("n.h5", "good too", age=50)
    bench.until(lambda: bench.stated() == "n.h5")
    assert bench.events_now().count(("accepted", "m.h5")) == 1
    assert sum("cannot be listed" in record.message for record in caplog.records) == 1
    assert sum("can be listed again" in record.message for record in caplog.records) == 1


def test_a_thousand_failed_looks_are_logged_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.restart(poll_seconds=0.0001)
    bench.storage.trouble = StorageUnavailable("unreachable")
    bench.looks(1000)
    assert sum("cannot be listed" in record.message for record in caplog.records) == 1
    bench.storage.trouble = None
    bench.drop("m.h5", "good")
    bench.watch.wait_for_statement()


def test_a_verdict_that_waits_for_the_storage_makes_nobody_hurry(bench: Bench) -> None:
    bench.restart(poll_seconds=0.05)
    bench.drop("m.h5", "slow good")
    bench.vetter.waiting.acquire()
    bench.storage.trouble = StorageUnavailable("503")
    bench.looks(2)
    bench.vetter.let_go.set()
    began, before = time.monotonic(), bench.storage.listings
    bench.until(lambda: time.monotonic() > began + 0.5)
    assert bench.storage.listings - before <= 0.5 / 0.05 + 2
    bench.storage.trouble = None
    bench.until(lambda: bench.stated() == "m.h5")


def test_a_watch_with_nothing_to_do_rests(bench: Bench) -> None:
    bench.restart(poll_seconds=0.05)
    bench.drop("m.h5", "slow good")
    bench.drop("n.h5", "slow too")
    bench.drop("o.h5", "slow as well")  # a third has to wait for one of the two
    bench.vetter.waiting.acquire()
    bench.vetter.waiting.acquire()
    began, before = time.monotonic(), bench.storage.listings
    bench.until(lambda: time.monotonic() > began + 0.5)
    assert bench.storage.listings - before <= 0.5 / 0.05 + 2


def test_storage_trouble_amid_vetting_is_no_verdict(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.vetter.troubles = [StorageUnavailable("503"), StorageUnavailable("503"), OSError(28, "No space left")]
    bench.drop("m.h5", "good")

    def accepted() -> bool:
        bench.clock.now += 0.01
        return bench.stated() == "m.h5"

    bench.until(accepted)
    bench.until_told(("accepted", "m.h5"))
    assert bench.events_now() == [("accepted", "m.h5")]
    assert sum("could not be vetted" in record.message for record in caplog.records) == 1


def test_a_candidate_that_hangs_holds_up_no_other(bench: Bench) -> None:
    bench.drop("hangs.h5", "slow good")
    bench.vetter.waiting.acquire()
    for number in range(3):
        bench.drop(f"m{number}.h5", f"good {number}", age=90 - number)
        bench.until_told(("accepted", f"m{number}.h5"))


def test_a_restarted_watch_comes_to_agree(bench: Bench) -> None:
    bench.drop("a.h5", "good a", age=90)
    bench.drop("b.h5", "good b", age=80)
    bench.drop("c.h5", "bad", age=70)
    bench.until(lambda: bench.stated() == "b.h5")
    before = bench.watch.statement
    bench.watch.close()
    bench.start()
    after = bench.watch.wait_for_statement()
    assert before is not None
    assert after is not None
    assert after.reference == before.reference


def test_a_child_is_prepared_while_a_file_settles_but_not_for_one_that_is_put_off(bench: Bench) -> None:
    bench.drop("m.h5", "good", age=0)
    bench.until(lambda: bench.vetter.prepared)
    bench.vetter.troubles = [StorageUnavailable("503")]
    bench.clock.now += 2
    bench.until(lambda: not bench.vetter.troubles)
    bench.looks()
    before = bench.vetter.prepared
    bench.looks(20)
    assert bench.vetter.prepared == before


def test_closing_lets_go_of_who_waits(bench: Bench) -> None:
    got: list[Any] = ["nothing yet"]
    waiting = threading.Thread(target=lambda: got.append(bench.watch.wait_for_statement()))
    waiting.start()
    bench.watch.close()
    waiting.join()
    assert got[-1] is None


def test_a_folder_that_was_emptied_between_two_runs_does_not_bring_back_what_was_live(bench: Bench) -> None:
    bench.drop("m.h5", "good")
    bench.watch.wait_for_statement()
    bench.watch.close()
    (bench.folder / "m.h5").unlink()
    bench.start()
    bench.looks(20)
    assert bench.watch.statement is None
    bench.drop("m.h5", "good and new", age=50)
    digest = hashlib.sha256(b"good and new").hexdigest()
    statement = bench.watch.wait_for_statement()
    assert statement is not None
    assert statement.reference.sha256 == digest
    assert statement.epoch == 2


def test_a_reader_that_is_told_of_a_registry_states_what_it_says_although_the_folder_is_empty(bench: Bench) -> None:
    bench.drop("m.h5", "good")
    before = bench.watch.wait_for_statement()
    bench.watch.close()
    (bench.folder / "m.h5").unlink()
    bench.adopts = True
    bench.start()
    assert bench.watch.wait_for_statement() == before


def test_what_was_found_out_once_is_known_to_the_next_run_and_told_in_it_too(bench: Bench) -> None:
    bench.drop("m.h5", "good")
    bench.drop("n.h5", "bad", age=50)
    bench.until_told(("accepted", "m.h5"), ("rejected", "n.h5"))
    bench.watch.close()
    bench.told.clear()
    bench.start()
    bench.until_told(("accepted", "m.h5"), ("rejected", "n.h5"))
    assert bench.vetter.read == []
