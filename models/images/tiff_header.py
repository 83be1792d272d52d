"""The first directory of a TIFF file, read without trusting it; EXIF blocks are such directories too.

Source: TIFF Revision 6.0 (Adobe, 1992), sections 2, 8 and 15; BigTIFF as the LibTIFF project specifies it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.errors import ImageError, ImageFault

_UNIT_SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_INTEGER_CODES = {1: "u1", 3: "u2", 4: "u4", 13: "u4", 16: "u8"}

_WIDTH, _HEIGHT, _COMPRESSION, _ORIENTATION = 256, 257, 259, 274
_TILE_WIDTH, _TILE_LENGTH = 322, 323
_PIECES = ((273, 279), (324, 325))
"""Tags of the strips' and of the tiles' offsets and byte counts."""

#: A 16-bit palette has 196,608 entries; Pillow turns every value of such a list into a Python object.
_MAX_VALUES = 1 << 18
_MIN_TILE_LIMIT = 1 << 22


class _Entry(NamedTuple):
    kind: int
    data: bytes


@dataclass(frozen=True)
class TiffHeader:
    """What a TIFF's first directory states.

    Attributes:
        width: in pixels, as stored (before its orientation is applied).
        height: the same.
        tile: pixels of each tile; 0 where there are none.
    """

    width: int
    height: int
    tile: int


def read_tiff_header(data: bytes) -> TiffHeader:
    """The header of the TIFF file `data`, checked against the file's own length.

    Raises:
        ImageError: `truncated` where the directory or the pixels lie beyond the end; `corrupt` where it has
            no size, or claims more than a file of this length can hold; `too_large` for tiles out of all
            proportion.
        struct.error: where the file ends within the header.
    """
    entries = dict(_entries(data))
    claimed = sum(len(entry.data) for entry in entries.values())
    if claimed > len(data):
        raise ImageError(ImageFault.CORRUPT, f"TIFF tags claim {claimed} bytes of a file of {len(data)}")
    order = "<" if data[:2] == b"II" else ">"
    sizes = [_values(entries.get(tag), order) for tag in (_WIDTH, _HEIGHT)]
    if not all(len(size) for size in sizes):
        raise ImageError(ImageFault.CORRUPT, "the TIFF directory has no width or height")
    width, height = (int(size[0]) for size in sizes)
    tile = _checked_tile(entries, order, width * height)
    _check_pieces(entries, order, len(data))
    return TiffHeader(width, height, tile)


def exif_orientation(exif: bytes) -> int | None:
    """The orientation that an EXIF block states, or None; a broken block states none."""
    while exif.startswith(b"Exif\x00\x00"):
        exif = exif[6:]
    if exif[:4] not in (b"II*\x00", b"MM\x00*"):
        return None
    order = "<" if exif[:2] == b"II" else ">"
    try:
        for tag, entry in _entries(exif, only=_ORIENTATION):
            values = _values(entry, order)
            if tag == _ORIENTATION and len(values):
                return int(values[0])
    except (ImageError, struct.error):
        return None
    return None


def _entries(data: bytes, only: int | None = None) -> Iterator[tuple[int, _Entry]]:
    """The entries of the first directory that have a known type, or the one with the tag `only`."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\x00", b"\x00+")
    head, layout, inline = ("Q", "HHQ8s", 8) if big else ("H", "HHL4s", 4)
    word = "Q" if big else "L"
    (start,) = struct.unpack_from(order + word, data, 8 if big else 4)
    if start + 2 > len(data):
        raise ImageError(ImageFault.TRUNCATED, "the TIFF directory lies beyond the end of the file")
    (count,) = struct.unpack_from(order + head, data, start)
    first = start + struct.calcsize(order + head)
    if first + count * struct.calcsize(order + layout) > len(data):
        raise ImageError(ImageFault.TRUNCATED, f"the file ends within a TIFF directory of {count} entries")
    claimed = 0
    for index in range(count):
        at = first + index * struct.calcsize(order + layout)
        tag, kind, number, value = struct.unpack_from(order + layout, data, at)
        if kind not in _UNIT_SIZES or (only is not None and tag != only):
            continue
        size = number * _UNIT_SIZES[kind]
        # Entries may all name the same bytes; every reader copies them once for each.
        claimed += size
        if claimed > len(data) or (_UNIT_SIZES[kind] > 1 and number > _MAX_VALUES):
            fault = ImageFault.TRUNCATED if size <= len(data) and claimed == size else ImageFault.CORRUPT
            raise ImageError(fault, f"TIFF tag {tag} claims {size} bytes of a file of {len(data)}")
        if size > inline:
            (offset,) = struct.unpack(order + word, value)
            if offset + size > len(data):
                raise ImageError(ImageFault.TRUNCATED, f"TIFF tag {tag} lies beyond the end of the file")
            value = data[offset : offset + size]
        yield tag, _Entry(kind, value[:size])


def _values(entry: _Entry | None, order: str) -> NDArray[np.uint64]:
    """The unsigned integers of `entry`; none where it has another type."""
    if entry is None or entry.kind not in _INTEGER_CODES:
        return np.empty(0, np.uint64)
    return np.frombuffer(entry.data, np.dtype(order + _INTEGER_CODES[entry.kind])).astype(np.uint64)


def _checked_tile(entries: dict[int, _Entry], order: str, pixels: int) -> int:
    """The pixels of a tile; tiles are 16 pixels a side at least, and a small image must not bring a huge one."""
    width, length = (_values(entries.get(tag), order) for tag in (_TILE_WIDTH, _TILE_LENGTH))
    if not (len(width) and len(length)):
        return 0
    tile = int(width[0]) * int(length[0])
    if tile > max(pixels + pixels // 4, _MIN_TILE_LIMIT):
        raise ImageError(ImageFault.TOO_LARGE, f"TIFF tiles of {width[0]}x{length[0]} for {pixels} pixels")
    return tile


def _check_pieces(entries: dict[int, _Entry], order: str, file_size: int) -> None:
    """Compressed strips and tiles lie within the file: LibTIFF would fill some that do not with grey."""
    compression = _values(entries.get(_COMPRESSION), order)
    if not len(compression) or compression[0] == 1:
        return
    for offsets_tag, counts_tag in _PIECES:
        offsets, counts = (_values(entries.get(tag), order) for tag in (offsets_tag, counts_tag))
        if len(offsets) != len(counts):
            continue
        if len(offsets) and int((offsets + counts).max()) > file_size:
            raise ImageError(ImageFault.TRUNCATED, "TIFF pixels lie beyond the end of the file")
