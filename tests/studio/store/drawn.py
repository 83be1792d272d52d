"""Drawings that are told apart by their pixels, and corrections of them."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from studio.store.corrections import NewCorrection

MODEL = "models/digits.keras@sha256:0123456789ab"
BROWSER = "browser-1"


def png(number: int, compression: int = 6) -> bytes:
    """A PNG of 28x28 grey pixels, others for each number; the same pixels in other bytes by another compression."""
    pixels = np.random.default_rng(number).integers(0, 256, (28, 28), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=compression)
    return file.getvalue()


def new(
    number: int,
    label: int,
    *,
    drawing: str | None = None,
    browser: str = BROWSER,
    compression: int = 6,
    answer: str | None = "1",
    model_id: str | None = MODEL,
) -> NewCorrection:
    """A correction of the drawing of this number."""
    return NewCorrection(
        drawing or f"drawing-{number}", png(number, compression), label, answer, 0.75, model_id, browser
    )
