"""What is in a folder and in an array's file, whoever wrote them."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.image_files import ImageFile, ImageFolder, decode, read_bytes
from models.errors import ImageError, ImageFault
from models.images.decoding import DecodeLimits


def saved(array: Any, version: tuple[int, int] | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asanyarray(array), version=version)
    return file.getvalue()


def pixels(data: bytes) -> Any:
    image = ImageFile("a.NPY", "a.NPY", (0, 0, 0))
    return decode(image, data, DecodeLimits(), None).pixels


PICTURE = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)


@pytest.mark.parametrize("array", [PICTURE, np.asfortranarray(PICTURE)])
@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_an_array_is_read_as_it_was_saved(array: Any, version: tuple[int, int]) -> None:
    read = pixels(saved(array, version))

    assert read.flags.c_contiguous
    np.testing.assert_array_equal(read, PICTURE)


HUGE = saved(PICTURE).replace(b"(4, 5, 3)", b"(9999999999999, 5, 3)").replace(b" " * 12 + b"\n", b"\n")


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        pytest.param(b"no array", ImageFault.NOT_AN_IMAGE, id="another file"),
        pytest.param(saved(PICTURE)[:-1], ImageFault.TRUNCATED, id="cut"),
        pytest.param(saved(PICTURE)[:40], ImageFault.NOT_AN_IMAGE, id="cut in its header"),
        pytest.param(HUGE, ImageFault.TOO_LARGE, id="it says that it is huge"),
        pytest.param(saved(PICTURE.astype(np.float32)), ImageFault.UNSUPPORTED_FORMAT, id="floats"),
        pytest.param(saved(PICTURE[..., 0]), ImageFault.UNSUPPORTED_FORMAT, id="grey"),
        pytest.param(saved(PICTURE[:0]), ImageFault.UNSUPPORTED_FORMAT, id="no rows"),
        pytest.param(saved(np.array([print], object)), ImageFault.UNSUPPORTED_FORMAT, id="pickled"),
        pytest.param(saved(np.zeros(3, "u1,u1")), ImageFault.UNSUPPORTED_FORMAT, id="records"),
    ],
)
def test_an_array_that_is_no_image_has_a_word_for_it(data: bytes, fault: ImageFault) -> None:
    with pytest.raises(ImageError) as error:
        pixels(data)
    assert error.value.fault == fault


def names(folder: ImageFolder, settled: bool = False) -> list[str]:
    return [image.name for image in folder.round(settled)]


def test_images_are_found_by_name_below_the_folder_too(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", "c/d.npy", "notes.txt", ".hidden.png", ".cache/x.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    assert names(ImageFolder(tmp_path)) == ["a.jpg", "b.PNG", "c/d.npy"]


def test_a_file_that_is_being_written_waits_for_the_next_round(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"first half")
    future = os.stat(tmp_path / "a.png").st_mtime + 1e6  # noqa: PTH116
    os.utime(tmp_path / "a.png", (future, future))
    folder = ImageFolder(tmp_path)

    assert names(folder, settled=True) == []
    assert names(folder, settled=True) == ["a.png"]


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        names(ImageFolder(tmp_path / "absent"))


def fault_of(path: Path, most: int = 100) -> ImageFault:
    with pytest.raises(ImageError) as error:
        read_bytes(str(path), DecodeLimits(max_bytes=most))
    return error.value.fault


def test_what_cannot_be_read_has_a_word_for_it(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(101))
    os.mkfifo(tmp_path / "pipe")

    assert fault_of(tmp_path / "absent") == ImageFault.NOT_FOUND
    assert fault_of(tmp_path / "large") == ImageFault.TOO_LARGE
    assert fault_of(tmp_path / "pipe") == ImageFault.NOT_A_FILE
