"""Real image files of every kind that is read, and hostile ones, made on the spot.

The pictures are scikit-learn's two sample photos (`china.jpg`, `flower.jpg`, 640x427) and its handwritten digits.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageCms
from sklearn.datasets import load_digits, load_sample_image


@lru_cache
def photo(name: str = "china.jpg") -> Image.Image:
    """A sample photo: RGB, 640 columns, 427 rows."""
    return Image.fromarray(load_sample_image(name))


@lru_cache
def digit(index: int = 0) -> Image.Image:
    """A handwritten digit: mode L, 8x8."""
    return Image.fromarray((load_digits().images[index] * 15).astype(np.uint8))


@lru_cache
def mosaic(width: int, height: int) -> Image.Image:
    """A large photo with detail to the last pixel: the sample photos side by side, not blown up."""
    tiles = np.concatenate([np.asarray(photo()), np.asarray(photo("flower.jpg"))], axis=1)
    rows, columns = -(-height // tiles.shape[0]), -(-width // tiles.shape[1])
    return Image.fromarray(np.ascontiguousarray(np.tile(tiles, (rows, columns, 1))[:height, :width]))


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    """`image` as a file of Pillow's format `form`."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def small() -> Image.Image:
    """A photo of 64 by 43 pixels."""
    return photo().resize((64, 43))


def plain(grey: int = 128) -> bytes:
    """A PNG of 8 by 8 equal pixels."""
    return encoded(Image.new("RGB", (8, 8), (grey, grey, grey)), "PNG")


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def rotated(form: str, orientation: int, image: Image.Image | None = None) -> bytes:
    return encoded(image or small(), form, exif=_exif(orientation))


def _frames() -> dict[str, Any]:
    return {"save_all": True, "append_images": [small().rotate(90 * turn) for turn in (1, 2)], "duration": 50}


def grey_16_bit(form: str = "PNG") -> tuple[bytes, np.ndarray[Any, np.dtype[np.uint8]]]:
    """A 16-bit grey file, and the 8-bit grey that it shows."""
    grey = np.asarray(small().convert("L"))
    return encoded(Image.fromarray(grey.astype(np.uint16) * 257), form), grey


def _icc() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _odd_depths() -> dict[str, bytes]:
    palette = small().quantize(16)
    see_through = small().convert("RGBA")
    see_through.putalpha(small().convert("L"))
    return {
        "palette.png": encoded(palette, "PNG"),
        "palette_transparent.png": encoded(palette, "PNG", transparency=bytes(range(16))),
        "alpha.png": encoded(see_through, "PNG"),
        "grey_alpha.png": encoded(see_through.convert("LA"), "PNG"),
        "one_bit.png": encoded(small().convert("1"), "PNG"),
        "alpha.webp": encoded(see_through, "WEBP"),
        "alpha.tiff": encoded(see_through, "TIFF"),
        "palette.bmp": encoded(palette, "BMP"),
        "palette.tiff": encoded(palette, "TIFF"),
        "one_bit_g4.tiff": encoded(small().convert("1"), "TIFF", compression="group4"),
        "cmyk.jpg": encoded(small().convert("CMYK"), "JPEG"),
        "cmyk.tiff": encoded(small().convert("CMYK"), "TIFF"),
        "ycbcr.tiff": encoded(small().convert("YCbCr"), "TIFF", compression="jpeg"),
    }


@lru_cache
def valid_files() -> dict[str, bytes]:
    """Odd but valid files by name; each shows what `Image.open(...).convert("RGB")` makes of it."""
    return _odd_depths() | {
        "photo.jpg": encoded(small(), "JPEG"),
        "grey.jpg": encoded(small().convert("L"), "JPEG"),
        "progressive.jpg": encoded(small(), "JPEG", progressive=True),
        "profile.jpg": encoded(small(), "JPEG", icc_profile=_icc()),
        "profile.png": encoded(small(), "PNG", icc_profile=_icc()),
        "photo.png": encoded(small(), "PNG"),
        "digit.png": encoded(digit(), "PNG"),
        "photo.gif": encoded(small(), "GIF"),
        "animated.gif": encoded(small(), "GIF", **_frames()),
        "animated.png": encoded(small(), "PNG", **_frames()),
        "animated.webp": encoded(small(), "WEBP", **_frames()),
        "photo.webp": encoded(small(), "WEBP"),
        "lossless.webp": encoded(small(), "WEBP", lossless=True),
        "photo.bmp": encoded(small(), "BMP"),
        "photo.tiff": encoded(small(), "TIFF"),
        "lzw.tiff": encoded(small(), "TIFF", compression="tiff_lzw"),
        "deflate.tiff": encoded(small(), "TIFF", compression="tiff_adobe_deflate"),
        "big.tiff": encoded(small(), "TIFF", big_tiff=True),
        "one_pixel.png": encoded(small().crop((0, 0, 1, 1)), "PNG"),
        "long.png": encoded(small().resize((30_000, 1)), "PNG"),
        "tall.jpg": encoded(small().resize((1, 30_000)), "JPEG"),
    }


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_png_chunk(data: bytes, kind: bytes, body: bytes) -> bytes:
    """The PNG `data` with one more chunk after its header."""
    return data[:33] + png_chunk(kind, body) + data[33:]


def png_bomb(side: int = 60_000) -> bytes:
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1 << 20))
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def png_text_bomb(size: int = 100_000_000) -> bytes:
    """A good photo with a text of `size` bytes that takes a thousandth of that in the file."""
    text = b"Comment\x00\x00" + zlib.compress(bytes(size))
    return with_png_chunk(encoded(small(), "PNG"), b"zTXt", text)


def gif_bomb() -> bytes:
    """A screen of 1x1 with a frame of 65535x65535."""
    frame = struct.pack("<BHHHHB", 0x2C, 0, 0, 65_535, 65_535, 0)
    palette = b"\x00\x00\x00\xff\xff\xff"
    return b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + palette + frame + b"\x02\x02\x44\x01\x00;"


def webp_bomb() -> bytes:
    """A canvas of 16383x16383 around a small picture."""
    picture = encoded(small(), "WEBP")[12:]
    canvas = (16_382).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + canvas + canvas + picture
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff(tags: dict[int, tuple[int, int, int]], tail: bytes = b"") -> bytes:
    """A little-endian TIFF of one directory: tag → (type, count, value or offset), and `tail` after it."""
    entries = b"".join(struct.pack("<HHII", tag, *entry) for tag, entry in sorted(tags.items()))
    return b"II*\x00" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + tail


def _tiff_tags(width: int, height: int) -> dict[int, tuple[int, int, int]]:
    return {256: (4, 1, width), 257: (4, 1, height), 258: (3, 1, 8), 259: (3, 1, 8), 262: (3, 1, 1)}


def tiff_bomb() -> bytes:
    tail = zlib.compress(bytes(1 << 16))
    return tiff(_tiff_tags(100_000, 100_000) | {273: (4, 1, 98), 279: (4, 1, len(tail))}, tail)


def tiff_tile_bomb() -> bytes:
    """An image of 10x10 in one tile of 65536x65536."""
    tail = zlib.compress(bytes(1 << 16))
    tags = {322: (4, 1, 1 << 16), 323: (4, 1, 1 << 16), 324: (4, 1, 186), 325: (4, 1, len(tail))}
    return tiff(_tiff_tags(10, 10) | tags, bytes(64) + tail)


def tiff_tag_bomb(tags: int = 20_000) -> bytes:
    """A directory whose every entry claims most of the file: 20,000 copies of 240 KB."""
    return tiff({40_000 + tag: (7, 12 * tags, 0) for tag in range(tags)} | _tiff_tags(8, 8), bytes(100))


def jpeg_exif_bomb() -> bytes:
    """A good photo, no resolution in its header, whose EXIF names the same 65 KB over and over."""
    block = tiff({10_000 + tag: (7, 60_000, 0) for tag in range(5_000)})
    segment = b"Exif\x00\x00" + block
    data = encoded(small(), "JPEG")
    without_jfif = data[:2] + data[20:]
    return without_jfif[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + without_jfif[2:]


def gif_comment_bomb(size: int = 8_000_000) -> bytes:
    """A good picture with a comment of `size` bytes in blocks of 255."""
    data = encoded(small(), "GIF")
    start = 13 + (3 << ((data[10] & 7) + 1))
    comment = b"!\xfe" + (b"\xff" + bytes(255)) * (size // 255) + b"\x00"
    return data[:start] + comment + data[start:]


def bmp_rle_bomb() -> bytes:
    """A run-length BMP of one row whose skips each claim 255 rows of 60 million columns."""
    head = struct.pack("<IiiHHIIiiII", 40, 60_000_000, 1, 1, 8, 1, 64, 0, 0, 256, 0)
    body = head + bytes(1024) + b"\x00\x02\x00\xff" * 16
    return b"BM" + struct.pack("<IHHI", 14 + len(body), 0, 0, 14 + 40 + 1024) + body


def jpeg_scan_bomb(scans: int = 2_000) -> bytes:
    """A progressive JPEG of 4096x4096 whose last scan is repeated over and over."""
    data = encoded(Image.new("L", (4096, 4096)), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + data[-2:]


#: Each is refused with `too_large` before a pixel is allocated.
BOMBS: dict[str, Callable[[], bytes]] = {
    "png": png_bomb,
    "gif": gif_bomb,
    "webp": webp_bomb,
    "tiff": tiff_bomb,
    "tiff_tile": tiff_tile_bomb,
    "bmp_rle": bmp_rle_bomb,
    "jpeg_scans": jpeg_scan_bomb,
}
