"""A correction becomes a better model, by the real Kedro, and whatever happens on the way is told."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from models.reference import sha256_of
from studio.errors import StudioRefused
from tests.studio.relearning.small_studio import Studio, family_of, has_ended, kill, runs_of_ours
from tests.waiting import eventually

pytestmark = pytest.mark.timeout(1800)


def test_corrections_make_a_model_that_is_published_and_the_way_there_is_told(studio: Studio) -> None:
    studio.until("idle")
    studio.correct(30)
    studio.retraining.start()
    studio.until("running")
    state = studio.until("published", "refused", "failed")
    assert (state.state, state.reason, state.pipeline) == ("published", "better", "tuning"), state
    [model] = [path for path in studio.published() if sha256_of(path)[:12] in str(state.model_id)]
    assert state.model_id == f"{model}@sha256:{sha256_of(model)[:12]}"
    assert "unseen corrections are right" in state.line and state.seconds > 0 and state.percent == 100
    percents = [each.percent for each in studio.states if each.state == "running"]
    assert percents == sorted(percents) and len(set(percents)) > 5
    stages = {each.stage for each in studio.states}
    assert stages >= {"export", "start", "take_parent", "tune", "report", "gate"}
    assert any("epoch" in each.line for each in studio.states)
    [run] = studio.runs(1)
    assert (run.state, run.reason, run.model_id, run.corrections) == ("published", "better", state.model_id, 30)
    assert runs_of_ours() == [] and not (studio.places.work / "scratch").exists()


def test_the_same_drawing_corrected_again_and_again_is_learnt_and_the_line_says_by_what_it_was_judged(
    studio: Studio,
) -> None:
    studio.correct_the_same(3)
    studio.retraining.start()
    state = studio.until("published", "refused", "failed")
    assert (state.state, state.reason) == ("published", "better_on_variants"), state
    assert "16 fresh variants of the corrections are right" in state.line
    assert "no drawing is held back yet to judge by" in state.line
    assert len(studio.published()) == 2


def test_anew_without_corrections_is_refused_and_the_line_says_what_to_do(studio: Studio) -> None:
    studio.retraining.start("__default__")
    state = studio.until("published", "refused", "failed")
    assert (state.state, state.reason, state.model_id) == ("refused", "no_corrections", None)
    assert "Correct a drawing, then retrain" in state.line
    assert len(studio.published()) == 1


def test_without_corrections_the_line_says_to_make_some(studio: Studio) -> None:
    studio.retraining.start()
    state = studio.until("published", "refused", "failed")
    assert (state.state, state.reason) == ("failed", "NotTunable")
    assert "correct more drawings" in state.line


def test_a_run_that_is_killed_has_failed_and_the_next_one_works(studio: Studio) -> None:
    studio.correct(30)
    studio.retraining.start()
    studio.until_stage("tune")
    [process] = runs_of_ours()
    family = family_of(process)
    kill(process)
    state = studio.until("failed", "published", "refused")
    assert (state.state, state.reason) == ("failed", "killed")
    assert [run.reason for run in studio.runs(1)] == ["killed"]
    eventually(lambda: all(map(has_ended, family)), "what it had started to end")
    assert len(studio.published()) == 1
    studio.retraining.start()
    assert studio.until("failed", "published", "refused").state == "published"


def test_a_run_that_hangs_is_ended(opened: Callable[..., Studio], first_model: Path) -> None:
    studio = opened(seconds=30.0)  # longer than it takes to stop it, on whatever machine
    shutil.copy(first_model, studio.places.models)
    studio.correct(3)
    studio.retraining.start()
    os.kill(eventually(runs_of_ours, "a run")[0].pid, signal.SIGSTOP)
    state = studio.until("failed", "published", "refused")
    assert (state.state, state.reason) == ("failed", "timed_out")
    assert runs_of_ours() == []


def test_a_studio_that_ends_ends_its_run_and_the_next_one_tells_it(
    studio: Studio, opened: Callable[..., Studio]
) -> None:
    studio.correct(3)
    studio.retraining.start()
    studio.until_stage("tune")
    family = family_of(runs_of_ours()[0])
    studio.retraining.stop(60)
    eventually(lambda: all(map(has_ended, family)), "the run to end")
    state = studio.retraining.state
    assert (state.state, state.reason) == ("failed", "stopped")
    with pytest.raises(StudioRefused, match="the studio is ending"):
        studio.retraining.start()
    again = opened()
    assert again.until("failed").reason == "stopped"


def test_enough_corrections_begin_one_run_and_too_few_none(opened: Callable[..., Studio], first_model: Path) -> None:
    studio = opened(after=6)
    shutil.copy(first_model, studio.places.models)
    for number in range(5):
        studio.correct(1, number)
        studio.retraining.corrected()
    studio.correct(1, 5)
    studio.retraining.corrected()
    studio.until("running")
    for _ in range(5):
        studio.retraining.corrected()
    studio.until("published", "refused", "failed")
    studio.retraining.stop(60)
    assert len(studio.corrections.runs(5)) == 1 and studio.corrections.counts().since_run == 0


def test_two_starts_at_once_are_one_run_and_one_that_waits(studio: Studio) -> None:
    studio.correct(1)
    at_once = [threading.Thread(target=studio.retraining.start) for _ in range(2)]
    for thread in at_once:
        thread.start()
    for thread in at_once:
        thread.join()
    eventually(lambda: studio.retraining.state.queued, "one to wait")
    studio.retraining.start()
    eventually(lambda: len(studio.corrections.runs(5)) == 2, "the second run to begin", 900)
    assert len(runs_of_ours()) <= 1 and not studio.retraining.state.queued
    latest, first = studio.runs(2)
    assert (first.state, first.reason) == ("published", "better_on_variants")
    assert latest.state in ("published", "refused") and studio.retraining.state.state == latest.state


def test_a_database_that_is_gone_fails_the_run_with_a_line_and_one_that_is_back_does_not(studio: Studio) -> None:
    studio.correct(3)
    with closing(sqlite3.connect(studio.places.database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")  # as a disk that does not answer: whoever writes waits in vain
        studio.retraining.start()
        state = studio.until("failed", "published", "refused")
        assert (state.state, state.reason) == ("failed", "database_unavailable")
        assert "once the database is back" in state.line
    studio.retraining.start()
    eventually(lambda: studio.retraining.state.state != "failed", "another run", 900)
    assert studio.until("published", "refused", "failed").state != "failed"


def test_the_end_of_a_run_is_written_down_as_soon_as_the_database_is_back(studio: Studio) -> None:
    studio.correct(1)
    studio.retraining.start()
    studio.until_stage("tune")
    with closing(sqlite3.connect(studio.places.database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        studio.until("published")
    eventually(lambda: studio.corrections.runs(1)[0].state == "published", "the end to be written down")


def test_a_first_model_is_trained_where_there_is_none_and_only_there(
    opened: Callable[..., Studio], first_model: Path
) -> None:
    studio = opened()
    (studio.places.models / "broken.keras").write_bytes(b"no model")
    studio.retraining.first()
    studio.until("running")
    state = studio.until("idle", "published", "refused", "failed")
    assert (state.state, state.reason, state.pipeline) == ("idle", "first", "__default__")
    studio.retraining.first()
    studio.retraining.stop(60)
    assert len(studio.corrections.runs(5)) == 1


def test_a_model_folder_that_cannot_be_vetted_does_not_end_retraining(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ImportError("a library is broken")

    studio.correct(1)
    with monkeypatch.context() as machine:
        machine.setattr("models.vetting.vetter.Vetter.vet", fails)
        studio.retraining.first()
        state = studio.until("failed", "published", "refused")
    assert (state.state, state.reason) == ("failed", "machine")
    assert "a library is broken" in state.line
    studio.retraining.start()
    assert studio.until("refused", "published", "failed").state != "failed"


def test_on_a_full_disk_a_run_fails_with_a_line_and_once_there_is_room_the_next_one_works(
    small_disk: Path, opened: Callable[..., Studio], first_model: Path
) -> None:
    studio = opened(work=small_disk)
    shutil.copy(first_model, studio.places.models)
    studio.correct(1)
    full = small_disk / "full"
    full.write_bytes(bytes((shutil.disk_usage(small_disk).free // 4096 - 4) * 4096))
    studio.retraining.start()
    state = studio.until("failed", "published", "refused")
    assert (state.state, state.reason) == ("failed", "disk_full"), state
    assert "Make room" in state.line
    assert len(studio.published()) == 1 and runs_of_ours() == []
    full.unlink()
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    studio.retraining.start()
    assert studio.until("refused", "published", "failed").state != "failed"


def test_a_run_ends_with_a_studio_that_is_killed_and_the_next_one_says_so(
    opened: Callable[..., Studio], first_model: Path
) -> None:
    studio = opened()
    shutil.copy(first_model, studio.places.models)
    studio.correct(3)
    studio.retraining.stop(60)
    command = [sys.executable, "-m", "tests.studio.relearning.retrains_until_killed"]
    with subprocess.Popen([*command, studio.places.root, studio.places.models], stdout=subprocess.PIPE) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == b"tune\n"
        [run] = runs_of_ours(killed.pid)
        family = family_of(run)
        killed.kill()
    eventually(lambda: all(map(has_ended, family)), "the run to end")
    again = opened()
    assert again.until("failed").reason == "killed"
    assert [run.state for run in again.runs(1)] == ["failed"]
    again.retraining.start()
    eventually(lambda: again.retraining.state.state != "failed", "another run", 900)
    assert again.until("published", "refused", "failed").state in ("published", "refused")
