"""What stands at the edge of a rule for paths: the last that passes, the first that does not."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from models.errors import ImageError, ImageFault
from models.images.paths import MAX_PATH_BYTES, open_local, resolve_image_path


def fault(image: str, *prefixes: str) -> ImageFault:
    with pytest.raises(ImageError) as caught:
        resolve_image_path(image, prefixes)
    assert caught.value.detail
    return ImageFault(caught.value.fault)


@pytest.mark.parametrize("scheme", ["data", "file", "ftp", "gs", "hdfs", "http", "https", "s3"])
def test_a_scheme_without_slashes_is_a_scheme_however_it_is_written(scheme: str) -> None:
    for image in (f"{scheme}:cat.png", f"{scheme.upper()}:/cat.png", f" {scheme}:cat.png", f"{scheme}://b/cat.png"):
        if not image.startswith("gs://"):
            assert fault(image, "/") == ImageFault.UNSUPPORTED_SCHEME


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x7f", "\x85", "\t"])
def test_no_character_that_ends_a_line_or_steers_a_terminal_is_in_a_path(separator: str) -> None:
    assert fault(f"/data/a{separator}b.png") == ImageFault.INVALID_PATH
    assert fault(f"gs://bucket/a{separator}b.png") == ImageFault.INVALID_PATH


def test_the_longest_path_is_looked_for_and_one_byte_more_is_not() -> None:
    assert fault("/x" * (MAX_PATH_BYTES // 2 - 1) + "/") == ImageFault.NOT_FOUND
    assert fault("é" * (MAX_PATH_BYTES // 2) + "x") == ImageFault.PATH_TOO_LONG


def test_the_longest_object_name_passes_and_one_byte_more_does_not() -> None:
    longest = "gs://bucket/" + "é" * 512
    assert resolve_image_path(longest, []) == longest
    assert fault(longest + "x") == ImageFault.PATH_TOO_LONG


def test_a_local_prefix_allows_no_object_and_a_bucket_no_local_file(tmp_path: Path) -> None:
    (tmp_path / "cat.png").touch()
    assert fault("gs://bucket/cat.png", "/", str(tmp_path)) == ImageFault.FORBIDDEN_PATH
    assert fault(f"{tmp_path}/cat.png", "gs://bucket", "gs://bucket/") == ImageFault.FORBIDDEN_PATH


def test_the_root_as_a_prefix_allows_every_local_file(tmp_path: Path) -> None:
    (tmp_path / "cat.png").touch()
    assert resolve_image_path(f"{tmp_path}/cat.png", ["/"]) == str((tmp_path / "cat.png").resolve())


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.EACCES, ImageFault.PERMISSION_DENIED),
        (errno.ENAMETOOLONG, ImageFault.PATH_TOO_LONG),
        (errno.EIO, ImageFault.INVALID_PATH),
    ],
)
def test_what_a_disk_refuses_is_a_fault_of_the_image(
    number: int, expected: ImageFault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "stat", refuse)
    assert fault(f"{tmp_path}/cat.png") == expected


@pytest.mark.parametrize("swapped", ["folder", "file"])
def test_a_link_that_appears_after_the_path_was_checked_leads_nowhere(tmp_path: Path, swapped: str) -> None:
    allowed, outside = tmp_path / "allowed", tmp_path / "outside"
    for folder in (allowed / "day", outside):
        folder.mkdir(parents=True)
        (folder / "a.png").write_bytes(b"secret" if folder == outside else b"image")
    path = resolve_image_path(str(allowed / "day/a.png"), [str(allowed)])
    with open_local(path, [str(allowed)]) as file:
        assert file.read() == b"image"
    if swapped == "folder":
        (allowed / "day").rename(tmp_path / "before")
        (allowed / "day").symlink_to(outside)
    else:
        (allowed / "day/a.png").unlink()
        (allowed / "day/a.png").symlink_to(outside / "a.png")
    with pytest.raises(ImageError) as refused:
        open_local(path, [str(allowed)])
    assert refused.value.fault is ImageFault.FORBIDDEN_PATH


def test_what_is_no_file_by_the_time_it_is_opened_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ImageError) as refused:
        open_local(str(tmp_path / "pipe"), [])
    assert refused.value.fault is ImageFault.NOT_A_FILE
