"""Decodes the bytes of one image file to RGB pixels, at a bounded cost whatever the bytes are.

Pixels equal those of `ImageOps.exif_transpose(Image.open(file)).convert("RGB")`, with two exceptions that are
wanted: 16-bit grey keeps its high byte (Pillow would clip it to white), and large images are reduced by whole
factors, never below twice the size that the models in use need.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Registers them; left to itself `Image.open` would import every plugin there is for the last two.
from PIL import (  # noqa: F401
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from models.errors import ImageError, ImageFault, typed_line
from models.images.containers import Container, read_container

Size = tuple[int, int]
"""(height, width) in pixels."""

_UNKNOWN_NEED: Size = (1024, 1024)
"""What a model is taken to need while none is known; more than any common classifier takes."""

_STRIP_PIXELS = 1 << 20
LONGEST_SIDE = 1 << 17
"""Pixels: decoders hold whole rows, several times over."""
_ROOM = 8
"""Times the area of twice the size needed on both sides, an image may have once it is decoded."""
_LEAST_ROOM = 1 << 21
"""Pixels: 6 MiB."""


class Raster(NamedTuple):
    """The pixels of an image, upright.

    Attributes:
        pixels: RGB, uint8 (0 to 255), shape (height, width, 3), C-contiguous.
        reduced: whether they are fewer than the file holds.
        squeezed: times as wide as high a pixel is; other than 1 where an image of extreme proportions was reduced more
            along its longer side.
    """

    pixels: NDArray[np.uint8]
    reduced: bool = False
    squeezed: float = 1.0

    @property
    def proportions(self) -> tuple[float, float]:
        """Height and width, in units of a pixel's height."""
        return self.pixels.shape[0], self.pixels.shape[1] * self.squeezed

    @property
    def outline(self) -> Raster:
        """The same without its pixels, which are black and take no memory: for whoever needs its proportions alone."""
        return self._replace(pixels=np.broadcast_to(np.uint8(0), self.pixels.shape))


@dataclass(frozen=True)
class DecodeLimits:
    """What one image may cost.

    Attributes:
        max_bytes: size of the file, in bytes.
        max_pixels: width times height as its header states them. The default, 8192 by 8192, admits
            61-megapixel cameras and holds one decoded image to 256 MiB in Pillow (4 bytes a pixel; WebP,
            which Pillow decodes through two more canvases, to four times that; a TIFF in one tile to twice).
            At most `MOST_PIXELS`, where Pillow refuses by itself. No side is over `LONGEST_SIDE`.

    Raises:
        ValueError: for a limit below 1, or more pixels than Pillow opens.
    """

    max_bytes: int = 32 * 1024 * 1024
    max_pixels: int = 1 << 26

    MOST_PIXELS: ClassVar[int] = 178_956_970

    def __post_init__(self) -> None:
        if self.max_bytes < 1 or not 1 <= self.max_pixels <= self.MOST_PIXELS:
            raise ValueError(f"limits must be 1 or more, and pixels at most {self.MOST_PIXELS}: {self}")


def decode_image(data: bytes, *, limits: DecodeLimits, needed: Size | None = None, exact: bool = False) -> Raster:
    """The pixels of the image file `data`.

    An image with at least four times `needed` on both sides is reduced by one whole factor for both, so that
    at least twice `needed` remains on each: large JPEGs by decoding at 1/2, 1/4 or 1/8 scale (`Image.draft`),
    then, and all other formats, by box averages (`Image.reduce`). Where `needed` is None, 1024x1024 is
    assumed. One of extreme proportions, which would still have over 2 million pixels and over 32 times as many as are
    needed, is reduced more along its longer side. The first frame of an animation is taken.

    Args:
        data: the whole file: JPEG, PNG, GIF, BMP, WebP or TIFF, told by its content.
        limits: what it may cost.
        needed: the largest (height, width) that a model in use takes.
        exact: never reduce.

    Raises:
        ImageError: `empty_file`, `too_large`, `not_an_image`, `unsupported_format`, `truncated` or `corrupt`;
            nothing else, whatever the bytes.
    """
    if not data:
        raise ImageError(ImageFault.EMPTY_FILE, "the file has no bytes")
    if len(data) > limits.max_bytes:
        raise ImageError(ImageFault.TOO_LARGE, f"{len(data)} bytes; the limit is {limits.max_bytes}")
    try:
        container = read_container(data)
        _check_pixels(container.width, container.height, limits)
        return _decode(container, None if exact else needed or _UNKNOWN_NEED, limits)
    except ImageError:
        raise
    except Exception as error:
        # Pillow's plugins raise whatever a hostile file makes them: any kind there is.
        raise ImageError(_fault_of(error), typed_line(error)) from error


class PixelBudget:
    """Holds threads back so that the images being decoded at once stay below a number of pixels.

    One image above the number by itself is let through alone: the limits have allowed it.
    """

    def __init__(self, pixels: int) -> None:
        self.pixels = pixels
        self._held = 0
        self._changed = threading.Condition()

    @property
    def held(self) -> int:
        """How many are being decoded now."""
        return self._held

    @contextmanager
    def hold(self, pixels: int) -> Iterator[None]:
        """Counts `pixels` as being decoded, once there is room for them."""
        with self._changed:
            self._changed.wait_for(lambda: self._held == 0 or self._held + pixels <= self.pixels)
            self._held += pixels
        try:
            yield
        finally:
            with self._changed:
                self._held -= pixels
                self._changed.notify_all()


PIXELS_AT_ONCE = PixelBudget(1 << 26)
"""What all threads of this process may decode at once."""
_WARNINGS = threading.Lock()


@contextmanager
def _no_bomb_warning() -> Iterator[None]:
    """Keeps Pillow's advice on images above its own line quiet: the limits have decided.

    `catch_warnings` changes the filters of the whole process for a moment, so one thread at a time enters,
    and only for images that would be warned about. `Image.MAX_IMAGE_PIXELS` is left alone: other code may
    rely on it.
    """
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


class _MeteredFile(io.BytesIO):
    """A file that lets itself be read a few times over, not endlessly.

    TIFF directories and strips may name the same bytes again and again; each is a fresh copy in Pillow.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._left = 4 * len(data) + (16 << 20)

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self._left -= len(piece)
        if self._left < 0:
            raise ImageError(ImageFault.CORRUPT, "the file names the same bytes over and over")
        return piece


def _check_pixels(width: int, height: int, limits: DecodeLimits) -> None:
    if max(width, height) > LONGEST_SIDE:
        raise ImageError(ImageFault.TOO_LARGE, f"{width}x{height} pixels; a side may have {LONGEST_SIDE}")
    if width * height > limits.max_pixels:
        detail = f"{width}x{height} = {width * height} pixels; the limit is {limits.max_pixels}"
        raise ImageError(ImageFault.TOO_LARGE, detail)


def _decode(container: Container, needed: Size | None, limits: DecodeLimits) -> Raster:
    pixels = container.width * container.height
    if needed is not None and container.orientation >= 5:
        needed = (needed[1], needed[0])
    scale = _jpeg_scale(container, needed)
    cost = pixels if container.progressive else pixels // scale**2
    if container.format == "WEBP":  # the decoder's two canvases, a copy, and the image
        cost *= 4
    cost += container.tile
    quiet = _no_bomb_warning() if pixels > (Image.MAX_IMAGE_PIXELS or pixels) else nullcontext()
    with PIXELS_AT_ONCE.hold(cost), quiet:
        image = _open(container)
        _check_pixels(*image.size, limits)
        if needed is not None and scale > 1:
            image.draft(None, (2 * needed[1], 2 * needed[0]))
        image.load()
        factors = _factors(image.size, needed)
        rgb = _to_rgb(image, *factors)
    squeezed = factors[0] / factors[1]
    if container.orientation >= 5:
        squeezed = 1 / squeezed
    return Raster(_upright(rgb, container.orientation), scale * max(factors) > 1, squeezed)


def _open(container: Container) -> Image.Image:
    try:
        return Image.open(_MeteredFile(container.payload), formats=[container.format])
    except UnidentifiedImageError as error:
        if container.format == "TIFF":  # its header held together, so it is one of the many rare kinds
            detail = "a kind of TIFF that is not read"
            raise ImageError(ImageFault.UNSUPPORTED_FORMAT, detail) from error
        raise ImageError(ImageFault.CORRUPT, f"the {container.format} structure is broken") from error


def _factor(size: tuple[int, int], needed: Size | None) -> int:
    """The largest whole factor that leaves twice `needed` of `size` (width, height), or 1."""
    if needed is None:
        return 1
    return max(1, min(size[1] // (2 * needed[0]), size[0] // (2 * needed[1])))


def _factors(size: tuple[int, int], needed: Size | None) -> tuple[int, int]:
    """By how much the columns and rows of `size` (width, height) are reduced."""
    factor = _factor(size, needed)
    if needed is None:
        return factor, factor
    room = max(_LEAST_ROOM, _ROOM * 4 * needed[0] * needed[1])
    pixels = size[0] * size[1] // factor**2
    more = factor * -(-pixels // room)
    across, down = size[0] // (2 * needed[1]), size[1] // (2 * needed[0])
    return (max(factor, min(more, across)), factor) if across >= down else (factor, max(factor, min(more, down)))


def _jpeg_scale(container: Container, needed: Size | None) -> int:
    """The scale, 1, 2, 4 or 8, at which `Image.draft` will decode."""
    if container.format != "JPEG":
        return 1
    factor = _factor((container.width, container.height), needed)
    return max(scale for scale in (1, 2, 4, 8) if scale <= factor)


def _to_rgb(image: Image.Image, across: int, down: int) -> NDArray[np.uint8]:
    """The loaded `image` as RGB, its columns reduced by `across` and its rows by `down`: a large one strip by strip, so
    that it is never held twice in full."""
    # With it Pillow warns of each palette with transparency; it decides nothing about RGB.
    image.info.pop("transparency", None)
    width, height = image.size
    if across == down == 1 and width * height <= _STRIP_PIXELS:
        return np.asarray(_strip_to_rgb(image))
    rgb = np.empty((-(-height // down), -(-width // across), 3), np.uint8)
    rows = max(1, _STRIP_PIXELS // (width * down)) * down
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        strip = image if bottom - top == height else image.crop((0, top, width, bottom))
        strip = _strip_to_rgb(strip)
        if max(across, down) > 1:
            strip = strip.reduce((across, down))
        rgb[top // down : -(-bottom // down)] = np.asarray(strip)
    return rgb


def _strip_to_rgb(strip: Image.Image) -> Image.Image:
    if strip.mode == "RGB":
        return strip
    if strip.mode.startswith("I;16"):
        # The high byte, as Pillow takes it of 16-bit colour.
        strip = Image.fromarray((np.asarray(strip) >> 8).astype(np.uint8))
    elif strip.mode in ("I", "F"):
        raise ImageError(ImageFault.UNSUPPORTED_FORMAT, f"samples of mode {strip.mode} have no agreed range")
    try:
        return strip.convert("RGB")
    except ValueError as error:
        raise ImageError(ImageFault.UNSUPPORTED_FORMAT, typed_line(error)) from error


def _upright(rgb: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """`rgb` turned as its EXIF orientation (1 to 8) asks."""
    if orientation >= 5:
        rgb = rgb.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        rgb = rgb[:, ::-1]
    if orientation in (3, 4, 7, 8):
        rgb = rgb[::-1]
    return np.ascontiguousarray(rgb)


def _fault_of(error: Exception) -> ImageFault:
    message = str(error).lower()
    if isinstance(error, MemoryError | Image.DecompressionBombError):
        return ImageFault.TOO_LARGE
    if isinstance(error, EOFError) or "truncated" in message or "not enough image data" in message:
        return ImageFault.TRUNCATED
    if isinstance(error, NotImplementedError) or "unsupported" in message:
        return ImageFault.UNSUPPORTED_FORMAT
    return ImageFault.CORRUPT
