"""The images that a command is given: files, folders of them, or one on standard input; read one after the other."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from models.errors import ImageError, ImageFault, one_line

STDIN = "-"
SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff")
"""Of the files in a folder that are taken for images; a file that is named itself may be called anything."""
_MOST_BYTES = 256 << 20

Tell = Callable[[str, ImageError], None]
"""Is told of an image that cannot be read: its name, and why."""


class ImageFile(NamedTuple):
    """One image.

    Attributes:
        name: of its file; `-` for standard input.
        data: all of it.
    """

    name: str
    data: bytes


def image_names(given: Sequence[str], tell: Tell) -> list[str]:
    """The files that arguments mean, in their order: a folder's with all below it, by name, without hidden ones.

    Args:
        given: files, folders or `-`.
        tell: of folders without images.
    """
    names: list[str] = []
    for each in given:
        if not Path(each).is_dir():
            names.append(each)
            continue
        found = list(_below(each, tell))
        if not found:
            detail = f"no images in this folder: no name ends in {', '.join(SUFFIXES)}"
            tell(each, ImageError(ImageFault.NOT_FOUND, detail))
        names += found
    return names


def image_files(names: Sequence[str], tell: Tell) -> Iterator[ImageFile]:
    """Reads files, each as it is asked for; those that cannot be read are told of, and left out.

    Args:
        names: of files, or `-`.
        tell: of what cannot be read.
    """
    for name in names:
        try:
            yield ImageFile(name, _read(name))
        except ImageError as error:
            tell(name, error)


def _below(folder: str, tell: Tell) -> Iterator[str]:
    def unreadable(error: OSError) -> None:
        tell(str(error.filename), _fault(error))

    for place, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and name.lower().endswith(SUFFIXES):
                yield str(Path(place, name))


def _read(name: str) -> bytes:
    try:
        if name == STDIN:
            return _bounded(sys.stdin.buffer)
        with Path(name).open("rb") as file:
            return _bounded(file)
    except (OSError, ValueError) as error:
        raise _fault(error) from error


def _bounded(file: IO[bytes]) -> bytes:
    data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ImageError(ImageFault.TOO_LARGE, f"over {_MOST_BYTES >> 20} MiB")
    return data


def _fault(error: Exception) -> ImageError:
    match error:
        case FileNotFoundError():
            return ImageError(ImageFault.NOT_FOUND, "there is no such file")
        case PermissionError():
            return ImageError(ImageFault.PERMISSION_DENIED, "this user may not read it")
        case IsADirectoryError():
            return ImageError(ImageFault.NOT_A_FILE, "it is a folder")
        case ValueError():
            return ImageError(ImageFault.INVALID_PATH, one_line(error))
    return ImageError(ImageFault.UNAVAILABLE, getattr(error, "strerror", None) or one_line(error))
