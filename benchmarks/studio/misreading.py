"""Which ways of writing a model misreads, as a person finds out: by drawing them."""

from __future__ import annotations

from benchmarks.studio.hand import Handwriting
from benchmarks.studio.studio_page import Answer, StudioPage

AWKWARD = (
    Handwriting(1, "flag and foot"),
    Handwriting(2, "slanted"),
    Handwriting(6, "slanted"),
    Handwriting(3, "slanted"),
    Handwriting(9, "like g"),
    Handwriting(1, "long flag"),
    Handwriting(7, "mirrored"),
    Handwriting(2, "mirrored"),
)
"""What scikit-learn's digits hold few of, most usual first."""


def misread(page: StudioPage) -> tuple[Handwriting, Answer]:
    """Draws until a way of writing was misread more than once.

    Returns:
        That way, and what its drawing of seed 0 was taken for.

    Raises:
        LookupError: the live model reads all that is awkward.
    """
    for writing in AWKWARD:
        answers = [page.draw(writing.strokes(seed)) for seed in range(3)]
        wrong = [answer for answer in answers if answer.digit != writing.digit]
        if answers[0] in wrong and len(wrong) > 1:
            return writing, answers[0]
    raise LookupError("the live model reads every awkward digit")
