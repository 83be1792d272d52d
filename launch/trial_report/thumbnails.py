"""Small pictures of images that strangers named: bytes are hostile, places may be none of the reader's business."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image

from models.errors import ImageError, ImageFault
from models.images.decoding import DecodeLimits, decode_image
from models.images.paths import open_local, resolve_image_path
from models.storage.files import Storage
from models.storage.reading import read_small
from models.trials.differing import REQUESTED

SIDE = 96
"""Pixels of the longer side, at most."""
MOST = 24
"""Images that a page shows."""
_PIXELATED_BELOW = 64
LIMITS = DecodeLimits()


class Thumbnail(NamedTuple):
    """A small picture, or why there is none.

    Attributes:
        source: a `data:` address of a PNG; "" where there is none.
        width, height: in pixels.
        trouble: why there is none, in a word or two.
    """

    source: str
    width: int = 0
    height: int = 0
    trouble: str = ""

    @property
    def is_tiny(self) -> bool:
        """Whether its own pixels should be seen."""
        return 0 < max(self.width, self.height) < _PIXELATED_BELOW


def thumbnail(storage: Storage, image: str, prefixes: Sequence[str] = ()) -> Thumbnail:
    """The small picture of one image; raises nothing, whatever it is.

    Args:
        storage: reads `gs://`; local files are opened as the job opens them.
        image: its path, as a message named it. What a server's client called its image is none, and is not looked for.
        prefixes: below one of which it must lie; anywhere where empty.
    """
    if image.startswith(REQUESTED):
        return Thumbnail("", trouble="came in a request")
    try:
        raster = decode_image(_bytes_of(storage, image, prefixes), limits=LIMITS, needed=(SIDE, SIDE))
        height, width = raster.proportions
        scale = min(1.0, SIDE / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = Image.fromarray(raster.pixels).resize(size, Image.Resampling.BOX if scale < 1 else 0)
    except ImageError as error:
        return Thumbnail("", trouble=str(error.fault).replace("_", " "))
    except Exception as error:  # whatever a storage raises
        return Thumbnail("", trouble=type(error).__name__)
    file = io.BytesIO()
    small.save(file, "PNG", optimize=True)
    source = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
    return Thumbnail(source, *small.size)


def _bytes_of(storage: Storage, image: str, prefixes: Sequence[str]) -> bytes:
    path = resolve_image_path(image, prefixes)
    most = LIMITS.max_bytes + 1
    if path.startswith("/"):
        with open_local(path, prefixes) as file:
            return file.read(most)
    try:
        return read_small(storage, path, most)
    except FileNotFoundError as error:
        raise ImageError(ImageFault.NOT_FOUND, "there is no such object") from error
