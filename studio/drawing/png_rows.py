"""Whether a PNG has the rows that its header states: decoders show what is missing as black, and say nothing."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By the kind of colour."""
_WHOLE = ((0, 0, 1, 1),)
_INTERLACED = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Of each pass its first column and row, and the steps to the next."""
_PART = 64 << 10


def has_all_rows(png: bytes) -> bool:
    """Whether its pixel data is as much as its size and depth want; the work is no more than that much, whatever it is.

    Args:
        png: a file whose chunks hold together (`models.images.containers`). What else is wrong with it is a decoder's
            to say.
    """
    width, height, depth, colour, _, _, interlace = struct.unpack_from(">IIBBBBB", png, 16)
    bits = depth * _CHANNELS.get(colour, 0)
    left: int = sum(
        rows * (1 + (columns * bits + 7) // 8)
        for x, y, across, down in (_INTERLACED if interlace else _WHOLE)
        if (columns := -(-(width - x) // across)) > 0 and (rows := -(-(height - y) // down)) > 0
    )
    unpacking = zlib.decompressobj()
    try:
        for packed in _pixel_data(png):
            while left > 0 and packed:
                left -= len(unpacking.decompress(packed, min(_PART, left)))
                packed = unpacking.unconsumed_tail
    except zlib.error:
        return False
    return left <= 0


def _pixel_data(png: bytes) -> Iterator[bytes]:
    position = 8
    while position + 12 <= len(png):
        length, kind = struct.unpack_from(">I4s", png, position)
        if kind == b"IDAT":
            yield png[position + 8 : position + 8 + length]
        position += 12 + length
