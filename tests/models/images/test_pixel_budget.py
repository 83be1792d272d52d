"""The pixels that threads decode at once stay within one budget, so that many large images never meet in memory."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from PIL import Image

from models.images.decoding import PIXELS_AT_ONCE, DecodeLimits, PixelBudget, decode_image
from tests import sample_images as samples
from tests.waiting import eventually

LIMITS = DecodeLimits()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set once a thread waits for a condition that was made under this test."""
    waits = threading.Event()

    class Told(threading.Condition):
        def wait(self, timeout: float | None = None) -> bool:
            waits.set()
            return super().wait(timeout)

    monkeypatch.setattr(threading, "Condition", Told)
    return waits


@pytest.mark.parametrize(
    ("held", "more", "fits"), [(6, 4, True), (6, 5, False), (1, 12, False), (12, 1, False), (10, 1, False)]
)
def test_who_would_exceed_the_budget_waits_until_others_are_done(
    held: int, more: int, fits: bool, waits: threading.Event
) -> None:
    budget = PixelBudget(10)
    decoding, done = threading.Event(), threading.Event()

    def decode() -> None:
        with budget.hold(more):
            decoding.set()
            done.wait()

    thread = threading.Thread(target=decode, daemon=True)
    with budget.hold(held):
        thread.start()
        eventually(lambda: waits.is_set() or decoding.is_set(), "the second to decode or to wait")
        assert decoding.is_set() == fits
        assert budget.held == (held + more if fits else held)
    eventually(decoding.is_set, "the second to decode")
    assert budget.held == more
    done.set()
    thread.join()
    assert budget.held == 0


def test_an_image_that_fails_gives_its_pixels_back() -> None:
    budget = PixelBudget(10)
    with pytest.raises(ValueError, match="broken"), budget.hold(12):
        raise ValueError("broken")
    assert budget.held == 0


@pytest.mark.parametrize(
    ("form", "options", "needed", "cost"),
    [
        ("PNG", {}, None, 1200 * 800),
        ("JPEG", {}, (1000, 1000), 1200 * 800),
        ("JPEG", {}, (100, 100), 300 * 200),
        ("JPEG", {"progressive": True}, (100, 100), 1200 * 800),
        ("WEBP", {}, None, 4 * 1200 * 800),
    ],
    ids=["png", "jpeg", "jpeg decoded small", "progressive jpeg", "webp"],
)
def test_an_image_counts_for_what_its_decoder_holds(
    form: str, options: dict[str, Any], needed: tuple[int, int] | None, cost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = samples.encoded(samples.mosaic(1200, 800), form, **options)
    really_open, held = Image.open, []

    def open_image(*arguments: Any, **named: Any) -> Image.Image:
        held.append(PIXELS_AT_ONCE.held)
        return really_open(*arguments, **named)

    monkeypatch.setattr(Image, "open", open_image)
    decode_image(data, limits=LIMITS, needed=needed)
    assert held == [cost]
    assert PIXELS_AT_ONCE.held == 0


def test_the_budget_is_of_8192_by_8192_pixels() -> None:
    assert PIXELS_AT_ONCE.pixels == 67_108_864
