"""Errors that carry a stable word travel between processes and are told in one line."""

from __future__ import annotations

import pickle

import pytest

from models.errors import ImageError, ImageFault, ModelFault, ModelRejected, one_line
from models.storage.errors import NameTaken


@pytest.mark.parametrize(
    "error",
    [
        ImageError(ImageFault.CORRUPT, "bad bytes"),
        ModelRejected(ModelFault.BAD_CARD, "no JSON", "m.h5@sha256:0123456789ab"),
        NameTaken("m/a.h5"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_that_travels_is_the_same_afterwards(error: Exception) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert vars(back) == vars(error)
    assert str(back) == str(error)


@pytest.mark.parametrize(
    ("text", "line"),
    [("two\nlines  and\ttabs", "two lines and tabs"), ("esc\x1b[2J", "esc?[2J"), ("x" * 500, "x" * 200), ("", "str")],
)
def test_whatever_an_error_says_is_one_printable_line(text: str, line: str) -> None:
    assert one_line(text) == line
