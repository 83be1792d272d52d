"""What people say of drawings is kept with its side, can be changed and taken back, and survives whatever is said."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from studio.errors import StudioRefused, Trouble
from studio.store.corrections import Corrections, Counts, NewCorrection
from tests.studio.store.drawn import BROWSER, MODEL, new, png

ROOT = Path(__file__).parents[3]


def sides(corrections: Corrections) -> list[bool]:
    return [each.unseen for each in reversed(corrections.latest(1000))]


def test_a_correction_is_kept_whole(address: str) -> None:
    with Corrections.open(address) as corrections:
        made = corrections.correct(new(1, 7))

    assert (made.drawing, made.png, made.label, made.answer, made.score) == ("drawing-1", png(1), 7, "1", 0.75)
    assert (made.model_id, made.browser, made.unseen) == (MODEL, BROWSER, False)
    assert made.time.endswith("Z")
    with Corrections.open(address) as again:
        assert list(again.latest(10)) == [made]


def test_of_each_digit_the_first_is_seen_the_second_unseen_and_then_one_in_three(corrections: Corrections) -> None:
    for number in range(8):
        corrections.correct(new(number, 7))
        corrections.correct(new(100 + number, 3))

    expected = [False, True, False, False, True, False, False, True]
    assert sides(corrections) == [side for side in expected for _ in range(2)]
    by_label = tuple(8 if digit in (3, 7) else 0 for digit in range(10))
    assert corrections.counts() == Counts(16, 10, 6, 16, by_label)


def test_the_first_misread_drawing_of_a_digit_is_learnt_from_however_often_it_was_read_right(
    corrections: Corrections,
) -> None:
    confirmed = [corrections.correct(new(number, 1, answer="1")).unseen for number in range(2)]
    misread = [corrections.correct(new(number, 1, answer="7")).unseen for number in range(2, 4)]
    unanswered = corrections.correct(new(4, 1, answer=None))

    assert (confirmed, misread) == ([False, True], [False, True])
    assert not unanswered.unseen


def test_the_same_pixels_keep_their_side_under_another_name_label_and_compression(corrections: Corrections) -> None:
    corrections.correct(new(1, 7))
    unseen = corrections.correct(new(2, 7))
    other_bytes = new(2, 4, drawing="again", compression=0)
    assert other_bytes.png != unseen.png

    assert unseen.unseen
    assert corrections.correct(other_bytes).unseen
    assert not corrections.correct(new(1, 4, drawing="and again")).unseen


def test_a_drawing_that_was_taken_back_comes_back_on_its_side(corrections: Corrections) -> None:
    corrections.correct(new(1, 7))
    assert corrections.take_back("drawing-1", BROWSER)

    # Alone of its label now, it would be seen; another one makes it the second.
    assert not corrections.correct(new(2, 7)).unseen
    again = corrections.correct(new(1, 7))

    assert not again.unseen
    assert again.number == 1
    assert corrections.counts().total == 2


def test_what_was_taken_back_counts_nowhere(corrections: Corrections) -> None:
    corrections.correct(new(1, 7))
    assert corrections.take_back("drawing-1", BROWSER)

    assert corrections.counts() == Counts(0, 0, 0, 0, (0,) * 10)
    assert list(corrections.latest(10)) == []
    assert list(corrections.accuracy()) == []
    assert list(corrections.without_reading("another", 10)) == []
    assert not corrections.take_back("drawing-1", BROWSER)


def test_a_label_can_be_changed_and_is_counted_once(corrections: Corrections) -> None:
    first = corrections.correct(new(1, 7))
    changed = corrections.correct(new(1, 2))

    assert (changed.number, changed.label, changed.unseen) == (first.number, 2, first.unseen)
    assert corrections.counts().by_label == (0, 0, 1, 0, 0, 0, 0, 0, 0, 0)


def test_another_browser_changes_nothing(corrections: Corrections) -> None:
    corrections.correct(new(1, 7))

    with pytest.raises(StudioRefused) as refused:
        corrections.correct(new(1, 2, browser="somebody else"))

    assert refused.value.trouble is Trouble.NOT_FOUND
    assert not corrections.take_back("drawing-1", "somebody else")
    assert [each.label for each in corrections.latest(10)] == [7]


def test_the_latest_come_first_and_in_pages(corrections: Corrections) -> None:
    for number in range(5):
        corrections.correct(new(number, 7))

    newest = corrections.latest(2)
    older = corrections.latest(10, before=newest[-1].number)

    assert [each.drawing for each in (*newest, *older)] == [f"drawing-{number}" for number in (4, 3, 2, 1, 0)]
    assert len(corrections.latest(10**30, before=10**30)) == 5
    assert list(corrections.latest(-1, before=-(10**30))) == []


@pytest.mark.parametrize(
    ("new_one", "trouble"),
    [
        (new(1, 10), Trouble.BAD_REQUEST),
        (new(1, -1), Trouble.BAD_REQUEST),
        (new(1, 1, drawing="x" * 65), Trouble.BAD_REQUEST),
        (new(1, 1, browser="x" * 129), Trouble.BAD_REQUEST),
        (NewCorrection("a", b"no image", 1, None, None, None, "b"), Trouble.BAD_DRAWING),
        (NewCorrection("a", png(1)[:200], 1, None, None, None, "b"), Trouble.BAD_DRAWING),
    ],
)
def test_what_is_no_correction_is_refused_and_not_kept(
    corrections: Corrections, new_one: NewCorrection, trouble: Trouble
) -> None:
    with pytest.raises(StudioRefused) as refused:
        corrections.correct(new_one)

    assert refused.value.trouble is trouble
    assert corrections.counts().total == 0


def test_texts_that_no_database_takes_are_kept_as_far_as_it_does(corrections: Corrections) -> None:
    hostile = "a\0b\ud800\U0001f600'; DROP TABLE corrections; --" + "x" * 100_000

    made = corrections.correct(new(1, 7, answer=hostile, model_id=hostile))
    corrections.correct(new(2, 7, drawing="a\0\udfff"))
    assert corrections.take_back("a\0\udfff", BROWSER)
    corrections.keep_reading(made.number, "m\0\ud800" + "y" * 100_000, hostile, float("nan"))
    run = corrections.begin_run(hostile)
    corrections.end_run(run, hostile, hostile, hostile, hostile)

    assert made.answer is not None
    assert made.answer.startswith("a\ufffdb\ufffd\U0001f600'; DROP TABLE")
    assert [each.model_id[:2] for each in corrections.accuracy()] == ["a\ufffd", "m\ufffd"]
    assert corrections.runs(1)[0].detail.startswith("a\ufffdb\ufffd")
    assert not corrections.take_back("\0", "\ud800")


def test_threads_and_processes_that_correct_at_once_agree_on_sides(address: str) -> None:
    starts = [10_000, 20_000, 30_000]
    command = [sys.executable, "-m", "tests.studio.store.correct", address]
    processes = [
        subprocess.Popen(
            [*command, str(first), "16"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for first in starts
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    with Corrections.open(address) as corrections, ThreadPoolExecutor() as pool:
        ended = [pool.submit(process.communicate, "now\n") for process in processes]
        list(pool.map(lambda number: corrections.correct(new(number, 7)), range(40_000, 40_016)))
        for each in ended:
            each.result()
        found = corrections.latest(1000)

    assert [process.returncode for process in processes] == [0] * 3
    assert len(found) == 64
    of_pixels = {(each.png, each.unseen) for each in found}
    pixels = {each.png for each in found}
    assert len(of_pixels) == len(pixels) == 3 * 8 + 8 + 16
    assert sum(unseen for _, unseen in of_pixels) == (len(pixels) + 1) // 3
