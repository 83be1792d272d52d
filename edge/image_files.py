"""The images in a folder: which there are, which are new, and what is in them."""

from __future__ import annotations

import io
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.errors import ImageError, ImageFault, one_line
from models.images.decoding import DecodeLimits, Raster, decode_image
from models.storage.local import open_without_waiting

SUFFIXES = (".jpg", ".jpeg", ".png", ".npy", ".gif", ".bmp", ".webp", ".tif", ".tiff")
STILL_SECONDS = 0.5
"""How long ago a file was written at least, unless it is as it was a round before."""

Seen = tuple[int, int, int]
"""What changes with a file: its inode, size and time of modification."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image in a folder.

    Attributes:
        path: as it begins with the folder's, as its user wrote that.
        name: below the folder.
        seen: changes whenever the file does.
    """

    path: str
    name: str
    seen: Seen


class ImageFolder:
    """The images in a folder and below it, by name; hidden ones are left out, and what no suffix tells to be an image.

    Args:
        folder: need not be there always.
        again: whether each round goes through all; else each file is given once, and again when it changes.
    """

    def __init__(self, folder: Path, again: bool = False) -> None:
        self._folder = folder
        self._again = again
        self._done: dict[str, Seen] = {}
        self._unsettled: dict[str, Seen] = {}

    def round(self, settled: bool) -> Iterator[ImageFile]:
        """The images to be classified now.

        Args:
            settled: leave those that were written a moment ago to the next round.

        Raises:
            OSError: the folder cannot be looked through.
        """
        there, before, self._unsettled = set(), self._unsettled, {}
        for image in self._files():
            there.add(image.path)
            if not self._again and self._done.get(image.path) == image.seen:
                continue
            if settled and not _holds_still(image.seen, before.get(image.path)):
                self._unsettled[image.path] = image.seen
                continue
            yield image
        self._done = {path: seen for path, seen in self._done.items() if path in there}

    def done(self, image: ImageFile) -> None:
        """It was classified, or never can be."""
        self._done[image.path] = image.seen

    def _files(self) -> Iterator[ImageFile]:
        """Every image there is, whatever vanishes meanwhile."""
        waiting = [str(self._folder)]
        while waiting:
            below = waiting.pop()
            try:
                with os.scandir(below) as entries:
                    found = sorted(entries, key=lambda entry: entry.name)
            except OSError:
                if below == str(self._folder):
                    raise
                continue
            folders = []
            for entry in found:
                if entry.name.startswith("."):
                    continue
                try:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif entry.name.lower().endswith(SUFFIXES):
                        status = entry.stat()
                        seen = (status.st_ino, status.st_size, status.st_mtime_ns)
                        yield ImageFile(entry.path, os.path.relpath(entry.path, self._folder), seen)
                except OSError:
                    continue
            waiting += reversed(folders)


def _holds_still(seen: Seen, before: Seen | None) -> bool:
    return seen == before or time.time() - seen[2] / 1e9 > STILL_SECONDS


def read_bytes(path: str, limits: DecodeLimits) -> bytes:
    """What an image file holds.

    Raises:
        ImageError: `not_found`, `not_a_file`, `permission_denied`, `unavailable`, `empty_file` or `too_large`.
    """
    most = limits.max_bytes
    try:
        with open(path, "rb", opener=open_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ImageError(ImageFault.NOT_A_FILE, "it is no regular file")
            data = file.read(most + 1)
    except FileNotFoundError as error:
        raise ImageError(ImageFault.NOT_FOUND, "it is gone") from error
    except PermissionError as error:
        raise ImageError(ImageFault.PERMISSION_DENIED, error.strerror or "it may not be read") from error
    except OSError as error:
        raise ImageError(ImageFault.UNAVAILABLE, one_line(error.strerror or error)) from error
    if len(data) > most:
        raise ImageError(ImageFault.TOO_LARGE, f"more than {most:,} bytes")
    if not data:
        raise ImageError(ImageFault.EMPTY_FILE, "the file has no bytes")
    return data


def decode(image: ImageFile, data: bytes, limits: DecodeLimits, needed: tuple[int, int] | None) -> Raster:
    """The pixels of an image file, told by its content, but for `.npy`.

    Args:
        image: the file.
        data: what it holds; in `.npy` an array of dtype uint8 and shape (height, width, 3), RGB.
        limits: what it may cost.
        needed: the (height, width) that the model takes; None where that is not known.

    Raises:
        ImageError: as `decode_image`; nothing else, whatever the bytes.
    """
    if image.name.lower().endswith(".npy"):
        return _array(data, limits)
    return decode_image(data, limits=limits, needed=needed)


def _array(data: bytes, limits: DecodeLimits) -> Raster:
    """An array as `numpy.save` writes it; nothing of it is unpickled, and no memory is taken on its word."""
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, by_columns, dtype = header(file)
    except Exception as error:  # NumPy parses the header as Python, which raises what it likes
        raise ImageError(ImageFault.NOT_AN_IMAGE, f"it is no array of NumPy's: {one_line(error)}") from error
    if dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or min(shape) < 1:
        detail = f"an array of {dtype} {shape}; uint8 (height, width, 3) is read"
        raise ImageError(ImageFault.UNSUPPORTED_FORMAT, one_line(detail))
    if shape[0] * shape[1] > limits.max_pixels:
        raise ImageError(ImageFault.TOO_LARGE, f"{shape[1]}x{shape[0]} pixels; the limit is {limits.max_pixels}")
    if len(data) - file.tell() < shape[0] * shape[1] * 3:
        raise ImageError(ImageFault.TRUNCATED, f"it ends before its {shape[1]}x{shape[0]} pixels do")
    pixels = np.frombuffer(data, np.uint8, shape[0] * shape[1] * 3, file.tell())
    return Raster(np.ascontiguousarray(pixels.reshape(shape, order="F" if by_columns else "C")))
