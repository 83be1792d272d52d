"""The books of a run balance, or say that they do not."""

from __future__ import annotations

from collections import Counter

from beam_pipeline.books import Books, books_of, details_of

COUNTS = Counter(
    {
        "messages_in": 10,
        "results_out": 7,
        "results_written": 6,
        "results_by_model_a.h5@sha256:1": 7,
        "dead_letters_read_not_found": 2,
        "dead_letters_written": 2,
        "notifications_skipped": 1,
    }
)


def test_a_result_counts_once_it_is_written() -> None:
    assert books_of(COUNTS) == Books(messages_in=10, results=6, dead_letters=2, skipped=1)
    assert books_of(COUNTS).open == 1


def test_books_that_do_not_balance_say_so() -> None:
    assert str(Books(5, 3, 1, 1)) == "5 in = 3 results + 1 dead letters + 1 skipped"
    assert str(Books(5, 3, 1, 0)) == "5 in = 3 results + 1 dead letters + 0 skipped + 1 UNFINISHED"


def test_the_details_name_models_and_errors() -> None:
    assert details_of(COUNTS) == {"answered by": "7 a.h5@sha256:1", "dead letters": "2 read_not_found"}
    assert details_of(Counter()) == {}
