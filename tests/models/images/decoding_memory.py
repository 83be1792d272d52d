"""Decodes files, and keeps what it gets: `decoding_memory TIMES FILE…` prints the most memory it took."""

from __future__ import annotations

import resource
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from models.errors import ImageError
from models.images.decoding import DecodeLimits, Raster, decode_image
from models.memory import keep_freed_memory

NEEDED = (224, 224)


def decoded(path: str) -> Raster | None:
    try:
        return decode_image(Path(path).read_bytes(), limits=DecodeLimits(), needed=NEEDED)
    except ImageError:
        return None


if __name__ == "__main__":
    keep_freed_memory()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with ThreadPoolExecutor(8) as threads:
        kept = list(threads.map(decoded, sys.argv[2:] * int(sys.argv[1])))
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(taken >> 10, sum(raster is not None for raster in kept))
