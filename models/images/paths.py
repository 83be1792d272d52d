"""Which images may be read: an allowed scheme, below an allowed prefix, and a regular file."""

from __future__ import annotations

import errno
import os
import re
import stat
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from models.errors import ImageError, ImageFault

#: Linux' PATH_MAX; no allowed name is longer.
MAX_PATH_BYTES = 4096
#: https://cloud.google.com/storage/docs/objects#naming
_MAX_OBJECT_BYTES = 1024

_GCS = "gs://"
_SCHEME = re.compile(r"\s*([^/\s:]+):(//)?")
_OPAQUE_SCHEMES = frozenset({"data", "file", "ftp", "gs", "hdfs", "http", "https", "s3"})
#: https://cloud.google.com/storage/docs/buckets#naming
BUCKET_NAME = r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]"
_BUCKET = re.compile(BUCKET_NAME)


def resolve_image_path(image: str, prefixes: Sequence[str]) -> str:
    """The path to open for `image`: an absolute local path without symbolic links, or a `gs://` URI.

    Local paths (relative ones from the working directory) and `gs://bucket/object` are allowed. Names are
    taken as they are: nothing is percent-decoded, normalised or expanded, so a look-alike of a prefix is
    another name, and a file really called `a[1].png` can be read. Local paths are compared with the prefixes
    after both are resolved, on whole components: `/data/img` does not allow `/data/imgs`. Without prefixes
    every path with an allowed scheme is allowed. Local files are looked at but not opened; objects are not
    looked at.

    Raises:
        ImageError: `empty_path`, `path_too_long`, `invalid_path`, `unsupported_scheme`, `forbidden_path`
            (whether or not there is such a file), `not_found`, `not_a_file` (a directory, device or pipe) or
            `permission_denied`.
    """
    _check_text(image)
    scheme = _SCHEME.match(image)
    if scheme and (scheme[2] or scheme[1].lower() in _OPAQUE_SCHEMES):
        if not image.startswith(_GCS):
            detail = f"the scheme of {_shown(image)} is not read; gs:// and local paths are"
            raise ImageError(ImageFault.UNSUPPORTED_SCHEME, detail)
        return _resolve_object(image, prefixes)
    return _resolve_local(image, prefixes)


def open_local(path: str, prefixes: Sequence[str]) -> BinaryIO:
    """The regular file at a path that `resolve_image_path` resolved, open for reading; never waits for its bytes.

    Between the two a folder on the way may have become a link: what counts is where the open file lies.

    Raises:
        ImageError: `forbidden_path`, `not_a_file` or `empty_file`, as files of `/proc` are that let a reader wait.
        OSError: it cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _forbidden(path) from error
        raise
    file = os.fdopen(descriptor, "rb")
    try:
        status = os.fstat(descriptor)
        if prefixes and not _is_allowed(_where(descriptor, path), prefixes):
            raise _forbidden(path)
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(ImageFault.NOT_A_FILE, f"{_shown(path)} is no regular file")
        if status.st_size == 0:
            raise ImageError(ImageFault.EMPTY_FILE, "the file has no bytes")
    except BaseException:
        file.close()
        raise
    return file


def _where(descriptor: int, path: str) -> str:
    """Where an open file lies."""
    try:
        return str(Path(f"/proc/self/fd/{descriptor}").readlink())
    except OSError:  # no Linux
        return os.path.realpath(path)


def _is_allowed(path: str, prefixes: Sequence[str]) -> bool:
    """Whether a local path without links lies below one of the prefixes."""
    return any(_is_below(path, os.path.realpath(each)) for each in prefixes if not each.startswith(_GCS))


def _check_text(image: str) -> None:
    if not image.strip():
        raise ImageError(ImageFault.EMPTY_PATH, "the path is empty")
    try:
        size = len(image.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise ImageError(ImageFault.INVALID_PATH, "the path holds half a character") from error
    if size > MAX_PATH_BYTES:
        raise ImageError(ImageFault.PATH_TOO_LONG, f"{size} bytes; a path has at most {MAX_PATH_BYTES}")
    if any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in image):
        raise ImageError(ImageFault.INVALID_PATH, "the path holds control characters")


def _resolve_object(image: str, prefixes: Sequence[str]) -> str:
    bucket, _, name = image.removeprefix(_GCS).partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise ImageError(ImageFault.INVALID_PATH, f"{_shown(bucket)} is no bucket name")
    if len(name.encode()) > _MAX_OBJECT_BYTES:
        detail = f"{len(name.encode())} bytes; an object name has at most {_MAX_OBJECT_BYTES}"
        raise ImageError(ImageFault.PATH_TOO_LONG, detail)
    # To Cloud Storage these are plain names, but HTTP clients on the way may fold them.
    if not {".", ".."}.isdisjoint(name.split("/")):
        raise ImageError(ImageFault.INVALID_PATH, "an object name has no '.' or '..' steps")
    allowed = [prefix for prefix in prefixes if prefix.startswith(_GCS)]
    if prefixes and not any(_is_below(image, prefix) for prefix in allowed):
        raise _forbidden(image)
    if not name or name.endswith("/"):
        raise ImageError(ImageFault.NOT_A_FILE, f"{_shown(image)} names a folder")
    return image


def _resolve_local(image: str, prefixes: Sequence[str]) -> str:
    resolved = _real_path(image)
    if prefixes and not _is_allowed(resolved, prefixes):
        raise _forbidden(image)
    try:
        mode = Path(resolved).stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageError(ImageFault.NOT_FOUND, f"there is no {_shown(image)}") from error
    except PermissionError as error:
        raise ImageError(ImageFault.PERMISSION_DENIED, f"{_shown(image)} may not be read") from error
    except OSError as error:
        raise _unusable(error) from error
    if not stat.S_ISREG(mode):
        raise ImageError(ImageFault.NOT_A_FILE, f"{_shown(image)} is no regular file")
    return resolved


def _real_path(image: str) -> str:
    try:
        return os.path.realpath(image)
    except OSError as error:
        raise _unusable(error) from error


def _unusable(error: OSError) -> ImageError:
    fault = ImageFault.PATH_TOO_LONG if error.errno == errno.ENAMETOOLONG else ImageFault.INVALID_PATH
    return ImageError(fault, error.strerror or "the path cannot be followed")


def _is_below(path: str, prefix: str) -> bool:
    """Whether `path` is `prefix` or lies below it, by whole components."""
    prefix = prefix.rstrip("/")
    return path == prefix or path.startswith(prefix + "/")


def _forbidden(image: str) -> ImageError:
    return ImageError(ImageFault.FORBIDDEN_PATH, f"{_shown(image)} is not below an allowed prefix")


def _shown(text: str) -> str:
    """`text` quoted for a message, shortened, in ASCII: look-alike letters are told apart."""
    return ascii(text if len(text) <= 100 else text[:97] + "...")
