"""What an image file says about itself, read before Pillow sees it and without making a pixel.

Pillow opens a file by reading all of its metadata, and some of that costs far more than the file: a TIFF
directory or an EXIF block may claim the same bytes 65,535 times over, a GIF comment is joined in quadratic
time, a PNG text chunk inflates a thousandfold, a WebP canvas is allocated on opening. So each container is
walked here first: its size in pixels and its orientation are noted, and JPEG, PNG and GIF files are handed on
with only what makes the pixels.

Sources: ITU-T T.81 (JPEG), W3C PNG 3rd edition, GIF89a, RFC 9649 (WebP), Exif 2.32; `models.images.tiff_header` for
    TIFF.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Literal

from models.errors import ImageError, ImageFault
from models.images.tiff_header import exif_orientation, read_tiff_header

ImageFormat = Literal["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"]

_SIGNATURES: tuple[tuple[bytes, ImageFormat], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
)

_OTHER_IMAGES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"8BPS", "Photoshop"),
    (4, b"ftypavi", "AVIF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftyphev", "HEIC"),
    (4, b"ftypmif1", "HEIF"),
    (4, b"ftypmsf1", "HEIF"),
    (4, b"jP  \r\n", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\xff\x0a", "JPEG XL"),
    (4, b"JXL \r\n", "JPEG XL"),
    (0, b"\x00\x00\x01\x00", "ICO"),
    (0, b"icns", "ICNS"),
    (0, b"%PDF", "PDF"),
    (0, b"%!PS", "PostScript"),
    (0, b"<svg", "SVG"),
    (0, b"DDS ", "DDS"),
    (0, b"v/1\x01", "OpenEXR"),
    (0, b"qoif", "QOI"),
    (0, b"P5\n", "PNM"),
    (0, b"P6\n", "PNM"),
)

#: More parts than any real encoder writes; a walk that meets more gives up rather than spend seconds on them.
_MAX_PNG_CHUNKS = 100_000
_MAX_JPEG_SEGMENTS = 10_000
_MAX_GIF_BLOCKS = 1_000_000
#: Each scan of a progressive JPEG walks the whole image once; encoders write about ten.
_FREE_SCANS = 16
_MAX_SCANNED_PIXELS = 1 << 29
#: Pillow unpacks run-length BMPs in Python, and one skip in such a file may claim 255 rows at once.
_MAX_RLE_PIXELS = 1 << 22
_MAX_RLE_WIDTH = 1 << 16

_PNG_PIXEL_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\x00"
_PNG_XMP = b"XML:com.adobe.xmp\x00\x00"


@dataclass(frozen=True)
class Container:
    """An image file as its own header describes it.

    Attributes:
        format: Pillow's name of the format.
        width: columns as stored, before any rotation; at least 1.
        height: rows as stored, before any rotation; at least 1.
        orientation: EXIF orientation still to be applied to the stored pixels, 1 to 8 (1: none).
        payload: the bytes to decode: the file, without the metadata that no pixel depends on.
        progressive: a JPEG whose coefficients are all held in memory until its last scan.
        tile: pixels of one tile, which is decoded whole; 0 for a file that has none.
    """

    format: ImageFormat
    width: int
    height: int
    orientation: int
    payload: bytes
    progressive: bool = False
    tile: int = 0


def read_container(data: bytes) -> Container:
    """What the image file `data` says about itself.

    Raises:
        ImageError: `not_an_image`, `unsupported_format`, `truncated`, `corrupt`, or `too_large` where reading
            it would cost out of all proportion.
    """
    kind = _format_of(data)
    try:
        container = _READERS[kind](data)
    except (struct.error, IndexError) as error:
        raise ImageError(ImageFault.TRUNCATED, f"the {kind} header is cut short") from error
    if container.width < 1 or container.height < 1:
        detail = f"{kind} of {container.width}x{container.height} pixels"
        raise ImageError(ImageFault.CORRUPT, detail)
    return container


def _format_of(data: bytes) -> ImageFormat:
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    for offset, signature, name in _OTHER_IMAGES:
        if data.startswith(signature, offset):
            raise ImageError(ImageFault.UNSUPPORTED_FORMAT, f"{name} files are not read")
    if any(signature.startswith(data) for signature, _ in _SIGNATURES) or (
        len(data) < 12 and b"RIFF".startswith(data[:4])
    ):
        raise ImageError(ImageFault.TRUNCATED, f"the file ends after {len(data)} bytes")
    raise ImageError(ImageFault.NOT_AN_IMAGE, "the first bytes are those of no image format that is read")


def _orientation(exif: bytes, xmp: bytes) -> int:
    """EXIF's word first, then XMP's, as Pillow's `ImageOps.exif_transpose` takes them."""
    orientation = exif_orientation(exif)
    if orientation is None and (match := _XMP_ORIENTATION.search(xmp)):
        orientation = int(match[1])
    return orientation if orientation is not None and 1 <= orientation <= 8 else 1


def _read_jpeg(data: bytes) -> Container:
    kept, exif, xmp = [b"\xff\xd8"], b"", b""
    frame: tuple[int, int] | None = None
    components = 0
    progressive = False
    position = 2
    for _ in range(_MAX_JPEG_SEGMENTS):
        position = data.find(b"\xff", position)
        if position < 0:
            raise ImageError(ImageFault.TRUNCATED, "the JPEG ends before its pixels begin")
        marker = data[position + 1]
        if marker in (0x00, 0xFF):
            position += 1
            continue
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:
            position += 2
            continue
        if marker == 0xDA:
            break
        if marker == 0xD9:
            raise ImageError(ImageFault.CORRUPT, "the JPEG ends without pixels")
        (length,) = struct.unpack_from(">H", data, position + 2)
        end = position + 2 + length
        if end > len(data):
            raise ImageError(ImageFault.TRUNCATED, "the JPEG ends before its pixels begin")
        body = data[position + 4 : end]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width, components = struct.unpack_from(">HHB", body, 1)
            frame, progressive = (width, height), marker in (0xC2, 0xC6, 0xCA, 0xCE)
        if marker == 0xE1 and body.startswith(b"Exif\x00\x00"):
            exif += body[6:]
        elif marker == 0xE1 and body.startswith(_JPEG_XMP):
            xmp = body
        # Only JFIF and Adobe (APP0, APP14) say anything about the pixels.
        if not (0xE1 <= marker <= 0xED or marker in (0xEF, 0xFE)):
            kept.append(data[position:end])
        position = end
    else:
        raise ImageError(ImageFault.CORRUPT, f"more than {_MAX_JPEG_SEGMENTS} JPEG segments")
    if frame is None:
        raise ImageError(ImageFault.CORRUPT, "the JPEG has no frame header")
    # A sequential JPEG whose first scan holds every component has no other: decoders stop at its end.
    if progressive or data[position + 4] < components:
        scans = data.count(b"\xff\xda", position)
        if scans > _FREE_SCANS and scans * frame[0] * frame[1] > _MAX_SCANNED_PIXELS:
            raise ImageError(ImageFault.TOO_LARGE, f"{scans} JPEG scans over {frame[0]}x{frame[1]} pixels")
    kept.append(data[position:])
    return Container("JPEG", *frame, _orientation(exif, xmp), b"".join(kept), progressive)


def _read_png(data: bytes) -> Container:
    kept, exif, xmp = [data[:8]], b"", b""
    size: tuple[int, int] | None = None
    position = 8
    for _ in range(_MAX_PNG_CHUNKS):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            raise ImageError(ImageFault.TRUNCATED, f"the file ends within a PNG chunk of {length} bytes")
        if kind == b"IHDR" and size is None:
            width, height = struct.unpack_from(">II", data, position + 8)
            size = (width, height)
        elif kind == b"eXIf":
            exif = data[position + 8 : end - 4]
        elif kind == b"iTXt" and data.startswith(_PNG_XMP, position + 8):
            xmp = data[position + 8 : end - 4]
        if kind in _PNG_PIXEL_CHUNKS:
            kept.append(data[position:end])
        position = end
        if kind == b"IEND":
            break
    else:
        raise ImageError(ImageFault.CORRUPT, f"more than {_MAX_PNG_CHUNKS} PNG chunks")
    if size is None:
        raise ImageError(ImageFault.CORRUPT, "the PNG has no header chunk")
    return Container("PNG", *size, _orientation(exif, xmp), b"".join(kept))


def _after_gif_blocks(data: bytes, position: int) -> int:
    """Where the chain of sub-blocks that starts at `position` ends, its empty last block included."""
    for _ in range(_MAX_GIF_BLOCKS):
        length = data[position]
        position += 1 + length
        if length == 0:
            return position
    raise ImageError(ImageFault.CORRUPT, f"more than {_MAX_GIF_BLOCKS} GIF blocks")


def _read_gif(data: bytes) -> Container:
    """The first frame alone, with the graphic control that belongs to it."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    start = position = 13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
    control = b""
    for _ in range(_MAX_GIF_BLOCKS):
        introducer = data[position]
        if introducer == 0x2C:
            break
        if introducer == 0x3B:
            raise ImageError(ImageFault.CORRUPT, "the GIF has no frame")
        if introducer == 0x21:
            end = _after_gif_blocks(data, position + 2)
            if data[position + 1] == 0xF9:
                control = data[position:end]
            position = end
        else:
            position += 1
    left, top, columns, rows, local = struct.unpack_from("<HHHHB", data, position + 1)
    codes = position + 10 + (3 << ((local & 7) + 1) if local & 0x80 else 0)
    end = _after_gif_blocks(data, codes + 1)
    if end > len(data):
        raise ImageError(ImageFault.TRUNCATED, "the file ends within the first GIF frame")
    payload = b"".join((data[:start], control, data[position:end], b";"))
    # A frame that reaches beyond the screen enlarges it: that is how Pillow reads such files.
    return Container("GIF", max(width, left + columns), max(height, top + rows), 1, payload)


def _read_bmp(data: bytes) -> Container:
    (header,) = struct.unpack_from("<I", data, 14)
    if header == 12:
        width, height = struct.unpack_from("<HH", data, 18)
        return Container("BMP", width, height, 1, data)
    width, height, _planes, _bits, compression = struct.unpack_from("<iiHHI", data, 18)
    height = abs(height)
    if compression in (1, 2) and (width * height > _MAX_RLE_PIXELS or width > _MAX_RLE_WIDTH):
        raise ImageError(ImageFault.TOO_LARGE, f"a run-length BMP of {width}x{height} pixels")
    return Container("BMP", width, height, 1, data)


def _read_webp(data: bytes) -> Container:
    (riff,) = struct.unpack_from("<I", data, 4)
    if riff + 8 > len(data):
        raise ImageError(ImageFault.TRUNCATED, f"{len(data)} of {riff + 8} bytes of a WebP file")
    kind = data[12:16]
    if kind == b"VP8X":
        width = 1 + int.from_bytes(data[24:27], "little")
        height = 1 + int.from_bytes(data[27:30], "little")
    elif kind == b"VP8L":
        (packed,) = struct.unpack_from("<I", data, 21)
        width, height = 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
    elif kind == b"VP8 ":
        columns, rows = struct.unpack_from("<HH", data, 26)
        width, height = columns & 0x3FFF, rows & 0x3FFF
    else:
        raise ImageError(ImageFault.CORRUPT, "the WebP file has no picture chunk")
    return Container("WEBP", width, height, _orientation(*_webp_metadata(data)), data)


def _webp_metadata(data: bytes) -> tuple[bytes, bytes]:
    """The EXIF and XMP chunks; empty where there is none."""
    exif = xmp = b""
    position = 12
    for _ in range(_MAX_PNG_CHUNKS):
        if position + 8 > len(data):
            break
        kind, length = struct.unpack_from("<4sI", data, position)
        if kind == b"EXIF":
            exif = data[position + 8 : position + 8 + length]
        elif kind == b"XMP ":
            xmp = data[position + 8 : position + 8 + length]
        position += 8 + length + (length & 1)
    return exif, xmp


def _read_tiff(data: bytes) -> Container:
    header = read_tiff_header(data)
    # Pillow turns TIFF files itself while it loads them.
    return Container("TIFF", header.width, header.height, 1, data, tile=header.tile)


_READERS = {
    "JPEG": _read_jpeg,
    "PNG": _read_png,
    "GIF": _read_gif,
    "BMP": _read_bmp,
    "WEBP": _read_webp,
    "TIFF": _read_tiff,
}
