"""From the bytes of a browser to the picture that models are asked for: hostile until they are pixels.

Models learnt from scikit-learn's digits: 8x8 counts of ink, enlarged to 28x28. There a digit nearly fills the height
whatever its writer's hand, its ink is soft, and there is about as much of it in each. A drawing is brought to that
form, so that neither its place on the canvas nor its size nor the pen's width changes the answer.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from models.errors import ImageError, ImageFault
from models.images.containers import read_container
from models.images.decoding import DecodeLimits, decode_image
from studio.drawing.png_rows import has_all_rows
from studio.errors import StudioRefused, Trouble

SIDE = 28
"""Pixels of the framed drawing, both ways."""
LARGEST_BYTES = 256 << 10
LARGEST_SIDE = 1024
"""Pixels that a canvas may have, each way: the page's has 280."""
INK = 64
"""From this value on a pixel is drawn on; what is darker is a brush's edge."""

_USUAL_PIXELS = 560 * 560
"""Of a canvas that costs no more than any drawing does."""
_PRICED_PIXELS = 280 * 280
_LIMITS = DecodeLimits(max_bytes=LARGEST_BYTES, max_pixels=LARGEST_SIDE**2)
_ENOUGH = (256, 256)
"""Larger canvases may be reduced while they are read, as long as twice this is left."""
# Measured on drawn strokes, with models of three seeds: of digits of any size, place and pen 86 % are read right; 73 %
# with the ink as it was drawn, 34 % with the canvas as it was; of digits that fill the canvas 88 %, 82 % and 83 %.
# Half a pixel counts, so it is done at twice the size.
_FINE = 2 * SIDE
_HIGH, _WIDE = 50, 38
_SOFT = 4.0
"""Deviation of the blur, in pixels of the fine picture."""
_INK_SHARE = 0.25
"""Mean of the picture, of white."""
_LEAST_GAIN, _MOST_GAIN = 0.2, 20.0
_STEPS = 20


def cost(png: bytes) -> int:
    """How many drawings a canvas counts for: one up to 560x560 pixels, else as many of the page's as it is large."""
    try:
        container = read_container(png[: LARGEST_BYTES + 1])
    except ImageError:
        return 1  # which is refused before it is decoded
    pixels = container.width * container.height
    if pixels <= _USUAL_PIXELS or max(container.width, container.height) > LARGEST_SIDE:
        return 1
    return -(-pixels // _PRICED_PIXELS)


def framed(png: bytes) -> NDArray[np.uint8]:
    """The drawing on a canvas as models know digits: shape (28, 28), uint8, white on black.

    Args:
        png: the canvas, white on black, as a browser sent it; any bytes.

    Raises:
        StudioRefused: `TOO_LARGE`, or `BAD_DRAWING`: no PNG that can be read, or nothing is drawn.
    """
    grey = _canvas(png)
    drawn = grey >= INK
    rows, columns = (np.flatnonzero(drawn.any(axis)) for axis in (1, 0))
    if not len(rows):
        raise StudioRefused(Trouble.BAD_DRAWING, "nothing is drawn; draw a digit, white on black")
    ink = Image.fromarray(grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    scale = min(_HIGH / ink.height, _WIDE / ink.width)
    size = max(1, round(ink.width * scale)), max(1, round(ink.height * scale))
    fine = Image.new("L", (_FINE, _FINE))
    resampling = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    fine.paste(ink.resize(size, resampling), ((_FINE - size[0]) // 2, (_FINE - size[1]) // 2))
    soft = _with_usual_ink(np.asarray(fine.filter(ImageFilter.GaussianBlur(_SOFT))))
    return np.asarray(Image.fromarray(soft).resize((SIDE, SIDE), Image.Resampling.BOX))


def encoded(pixels: NDArray[np.uint8]) -> bytes:
    """Grey pixels of shape (height, width) as a PNG; the same pixels are the same bytes."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _canvas(png: bytes) -> NDArray[np.uint8]:
    try:
        if len(png) > LARGEST_BYTES:
            raise ImageError(ImageFault.TOO_LARGE, f"{len(png)} bytes; the limit is {LARGEST_BYTES}")
        container = read_container(png)
        if container.format != "PNG":
            raise ImageError(ImageFault.UNSUPPORTED_FORMAT, f"it is {container.format}, and must be PNG")
        if max(container.width, container.height) > LARGEST_SIDE:
            detail = f"{container.width}x{container.height} pixels; a side may have {LARGEST_SIDE}"
            raise ImageError(ImageFault.TOO_LARGE, detail)
        if not has_all_rows(container.payload):
            raise ImageError(ImageFault.TRUNCATED, "its pixels are cut off")
        pixels = decode_image(png, limits=_LIMITS, needed=_ENOUGH).pixels
    except ImageError as error:
        trouble = Trouble.TOO_LARGE if error.fault is ImageFault.TOO_LARGE else Trouble.BAD_DRAWING
        raise StudioRefused(trouble, f"the drawing cannot be read: {error.detail}") from error
    return np.asarray(Image.fromarray(pixels).convert("L"))


def _with_usual_ink(soft: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Brighter or darker, so that there is as much ink as usual: a thin pen's becomes wide, a wide one's less."""
    shares = soft.astype(np.float32) / 255
    least, most = _LEAST_GAIN, _MOST_GAIN
    for _ in range(_STEPS):
        gain = (least * most) ** 0.5
        if np.clip(shares * gain, 0, 1).mean() < _INK_SHARE:
            least = gain
        else:
            most = gain
    return np.asarray(np.clip(shares * gain, 0, 1) * 255, np.uint8)
