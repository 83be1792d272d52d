"""Whatever an image's shape, what it takes of memory from its decoding to its answer is bounded."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.errors import ImageError, ImageFault
from models.images import decoding
from models.images.decoding import DecodeLimits, Raster, decode_image
from models.images.fitting import fit_image
from models.records import DecodedImage, ImageRequest, Origin
from models.serving import ServingConfig
from tests import sample_images as samples
from tests.own_process import run_module
from transforms.inference import BATCH_BYTES, HotSwapModelHandler

LIMITS = DecodeLimits()
_FOR_DECODING, _FOR_EACH, _SLACK = 256, 13, 200
"""MiB."""


def hollow_png(path: Path, width: int, height: int, rows: int) -> Path:
    """A PNG of one colour, of which so many rows are there, whose pixels nobody has ever held in memory."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row, packer = bytes(1 + 4 * width) if rows else b"", zlib.compressobj(9)
    packed = b"".join(packer.compress(row) for _ in range(rows)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b""))
    return path


def test_many_images_of_any_shape_stay_within_the_documented_memory(tmp_path: Path) -> None:
    shapes = [(131_072, 512), (512, 131_072), (8192, 8192), (100_000, 15)]
    files = [hollow_png(tmp_path / f"{width}x{height}.png", width, height, height) for width, height in shapes]
    taken, decoded = map(int, run_module("tests.models.images.decoding_memory", "4", *files).split())
    assert decoded == 4 * len(files)
    assert taken < _FOR_DECODING + decoded * _FOR_EACH + _SLACK


@pytest.mark.parametrize("size", [(4_400_000, 15), (60_000_000, 1), (1, 60_000_000)])
def test_an_image_with_a_side_that_no_camera_makes_is_too_large(tmp_path: Path, size: tuple[int, int]) -> None:
    path = hollow_png(tmp_path / "thin.png", *size, rows=0)
    with pytest.raises(ImageError, match="a side may have 131072") as refused:
        decode_image(path.read_bytes(), limits=LIMITS)
    assert refused.value.fault is ImageFault.TOO_LARGE


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("upright", [True, False])
def test_an_image_of_extreme_proportions_looks_as_it_would_unreduced(
    monkeypatch: pytest.MonkeyPatch, fit: str, upright: bool
) -> None:
    monkeypatch.setattr(decoding, "_LEAST_ROOM", 1)
    monkeypatch.setattr(decoding, "_ROOM", 1)
    gradient = np.linspace(0, 255, 64 * 40, dtype=np.uint8)[None, :].repeat(64, axis=0)
    pixels = np.stack([gradient, np.flip(gradient), gradient // 2], axis=-1)
    data = samples.encoded(Image.fromarray(pixels if upright else pixels.swapaxes(0, 1).copy()), "PNG")
    whole = decode_image(data, limits=LIMITS, exact=True)
    reduced = decode_image(data, limits=LIMITS, needed=(16, 16))
    assert reduced.squeezed > 4 if upright else reduced.squeezed < 0.25
    (rows, columns), whole_size = reduced.proportions, whole.proportions
    assert columns / rows == pytest.approx(whole_size[1] / whole_size[0])
    ours, theirs = (fit_image(each, 16, 16, fit, 3).astype(int) for each in (reduced, whole))  # type: ignore[arg-type]
    assert np.abs(ours - theirs).mean() < 3


def test_a_batch_of_large_images_is_a_small_one() -> None:
    handler = HotSwapModelHandler(ServingConfig("none", max_batch_size=32))
    worth = handler.batch_elements_kwargs()["element_size_fn"]

    def image(side: int) -> DecodedImage:
        raster = Raster(np.zeros((side, side, 3), np.uint8))
        return DecodedImage(ImageRequest("a.png", Origin("1", "", {})), raster)

    assert [worth(image(side)) for side in (8, 1600)] == [1, 1]
    large = image(4096)
    assert (32 // worth(large)) * large.raster.pixels.nbytes <= BATCH_BYTES
    assert worth(image(10_000)) == 32
