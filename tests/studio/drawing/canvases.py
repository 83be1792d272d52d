"""Canvases as a browser sends them, and what is drawn on them."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SIDE = 280


def png_of(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    """An image as the bytes of a file."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def empty(side: int = SIDE, mode: str = "RGB") -> Image.Image:
    """A black canvas."""
    return Image.new(mode, (side, side))


def one(left: int = 140, top: int = 60, height: int = 160, pen: int = 20) -> Image.Image:
    """A canvas on which a 1 is drawn: one upright stroke."""
    image = empty()
    ImageDraw.Draw(image).line([(left, top), (left, top + height)], fill="white", width=pen)
    return image


def seven(left: int = 80, top: int = 60, size: int = 160, pen: int = 20) -> Image.Image:
    """A canvas on which a 7 is drawn."""
    image = empty()
    points = [(left, top), (left + size // 2, top), (left + size // 6, top + size)]
    ImageDraw.Draw(image).line(points, fill="white", width=pen, joint="curve")
    return image


def pixels(png: bytes) -> NDArray[np.uint8]:
    """The grey values of a PNG, shape (height, width)."""
    return np.asarray(Image.open(io.BytesIO(png)))


def bomb(side: int) -> bytes:
    """A PNG of some hundred bytes or more that states so many grey pixels each way, all black, and holds them."""
    return rows_of(side, side)


def rows_of(side: int, rows: int, *, depth: int = 8, colour: int = 0, interlace: int = 0, ink: int = 0) -> bytes:
    """A PNG that states so many pixels each way, and holds so many rows of them, of one byte over and over."""
    header = struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, interlace)
    row = b"\0" + bytes([ink]) * (side * {0: 1, 2: 3, 4: 2, 6: 4}[colour] * depth // 8)
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(row) for _ in range(rows)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
