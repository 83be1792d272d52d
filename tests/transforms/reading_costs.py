"""What reading an image from a bucket costs, by Beam's FileSystems and by this project's reader.

`python -m tests.transforms.reading_costs` prints it for images of several sizes. Each way reads in its own process, so
that neither sees what the other keeps or sets, and the work of the server is in another.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from models.storage.object_reader import ObjectReader
from tests.end_to_end.faulty_storage import faulty_storage
from tests.own_process import run_module

WAYS = ("beam", "ours")
SIZES = {"500x375": 77_000, "1280x960": 368_000, "4032x3024": 2_900_000}
_LIMIT = 32 << 20


class Costs(NamedTuple):
    """Of one image, on average.

    Attributes:
        requests: at the server.
        connections: made there.
        cpu_ms: of the process that reads.
    """

    requests: float
    connections: float
    cpu_ms: float


def costs(way: str, images: int = 60, size: int = SIZES["500x375"]) -> Costs:
    """What `images` images of `size` bytes cost that are read one after the other."""
    with (
        faulty_storage() as bucket,
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.setenv("STORAGE_EMULATOR_HOST", bucket.address)
        environment.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(bucket.credentials(Path(folder))))
        uri = bucket.put("images/photo.jpg", random.Random(1).randbytes(size))
        cpu_ms = float(run_module("tests.transforms.reading_costs", way, str(images), uri))
        return Costs(len(bucket.requests) / images, bucket.connections / images, cpu_ms)


def _by_beam(uri: str) -> bytes:
    with FileSystems.open(uri, compression_type=CompressionTypes.UNCOMPRESSED) as file:
        return bytes(file.read(_LIMIT + 1))


def _read(way: str, images: int, uri: str) -> float:
    """CPU milliseconds an image, after the first, which imports and connects."""
    reader = ObjectReader(1)
    started = 0.0
    for number in range(images):
        _ = _by_beam(uri) if way == "beam" else reader.read(uri, _LIMIT + 1)
        if not number:
            started = time.process_time()
    return 1000 * (time.process_time() - started) / (images - 1)


if __name__ == "__main__":
    if sys.argv[1:]:
        print(_read(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
    else:
        for name, size in SIZES.items():
            for way in WAYS:
                print(name, way, costs(way, 200, size))
