"""Which image paths may be read: those below the roots, told from all others by name."""

from __future__ import annotations

import os
import sys
import unicodedata
from pathlib import Path

import pytest

from models.errors import ImageError, ImageFault
from models.images.paths import resolve_image_path
from tests.models.permissions import bound_by_permissions


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """`img/cat.png` and, outside of it, `imgs/cat.png` and `secret.png`."""
    root = tmp_path.resolve()
    for name in ("img/cat.png", "imgs/cat.png", "secret.png"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def refusal(image: str, *prefixes: object) -> ImageError:
    with pytest.raises(ImageError) as caught:
        resolve_image_path(image, [str(prefix) for prefix in prefixes])
    assert caught.value.detail.isprintable()
    return caught.value


def test_a_file_below_a_prefix_is_read_from_where_it_really_is(root: Path) -> None:
    (root / "link").symlink_to(root / "img")
    for prefix in (root / "img", root / "link", f"{root}/img/", root, root / "img/cat.png"):
        for image in ("img/cat.png", "link/cat.png", "img/../img//./cat.png"):
            assert resolve_image_path(f"{root}/{image}", [str(prefix)]) == f"{root}/img/cat.png"


def test_without_prefixes_any_regular_file_is_read(root: Path) -> None:
    assert resolve_image_path(f"{root}/secret.png", []) == f"{root}/secret.png"


def test_a_relative_path_starts_at_the_working_directory(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    assert resolve_image_path("img/cat.png", ["img"]) == f"{root}/img/cat.png"


@pytest.mark.parametrize(
    "name", ["a[1].png", "a*.png", "what?.png", "two words.png", "naïve 猫.png", "a:b.png", "~.png"]
)
def test_an_odd_name_is_taken_as_it_is(root: Path, name: str) -> None:
    (root / "img" / name).write_bytes(b"x")
    assert resolve_image_path(f"{root}/img/{name}", [f"{root}/img"]) == f"{root}/img/{name}"


def test_a_pattern_is_a_name_and_never_expanded(root: Path) -> None:
    assert refusal(f"{root}/img/*.png", root).fault == ImageFault.NOT_FOUND


@pytest.mark.parametrize(
    "image",
    ["secret.png", "imgs/cat.png", "img/../secret.png", "img/%2e%2e/../../secret.png", "img", "/etc/passwd", "img2"],
)
def test_a_path_outside_every_prefix_is_forbidden(root: Path, image: str) -> None:
    assert refusal(f"{root}/{image}", f"{root}/img/x", f"{root}/other").fault == ImageFault.FORBIDDEN_PATH


def test_whole_components_are_compared_not_letters(root: Path) -> None:
    assert refusal(f"{root}/imgs/cat.png", root / "img").fault == ImageFault.FORBIDDEN_PATH


@pytest.mark.parametrize("target", ["secret.png", "no such file", "/etc/passwd"])
def test_a_symbolic_link_that_leaves_the_prefix_is_forbidden(root: Path, target: str) -> None:
    (root / "img/link.png").symlink_to(root / target)
    assert refusal(f"{root}/img/link.png", root / "img").fault == ImageFault.FORBIDDEN_PATH


def test_the_answer_does_not_tell_whether_a_forbidden_file_exists(root: Path) -> None:
    there = refusal(f"{root}/secret.png", root / "img")
    absent = refusal(f"{root}/absent.png", root / "img")
    assert there.fault == absent.fault == ImageFault.FORBIDDEN_PATH
    assert there.detail.replace("secret", "absent") == absent.detail


def test_a_look_alike_of_a_prefix_is_another_name(root: Path) -> None:
    (root / "café").mkdir()
    decomposed = unicodedata.normalize("NFD", f"{root}/café/cat.png")
    for image in (decomposed, f"{root}/ｉｍｇ/cat.png", f"{root}/%69mg/cat.png", f"{root}/im\u0261/cat.png"):
        assert refusal(image, root / "img", root / "café").fault == ImageFault.FORBIDDEN_PATH


@pytest.mark.parametrize(
    "image",
    [
        "http://example.com/cat.png",
        "HTTPS://example.com/cat.png",
        "ftp://example.com/cat.png",
        "hdfs://name/cat.png",
        "s3://bucket/cat.png",
        "file:///etc/passwd",
        "file:/etc/passwd",
        "data:image/png;base64,AAAA",
        "GS://bucket/cat.png",
        " gs://bucket/cat.png",
        "gs:/bucket/cat.png",
        "ｇｓ://bucket/cat.png",
    ],
)
@pytest.mark.parametrize("prefixes", [(), ("/data",)])
def test_an_unknown_scheme_is_not_read(image: str, prefixes: tuple[str, ...]) -> None:
    assert refusal(image, *prefixes).fault == ImageFault.UNSUPPORTED_SCHEME


def test_a_directory_a_pipe_and_a_device_are_no_files_and_are_not_opened(root: Path) -> None:
    os.mkfifo(root / "pipe.png")
    for image in (root, root / "pipe.png", "/dev/zero", "/dev/stdin", "."):
        assert refusal(str(image)).fault == ImageFault.NOT_A_FILE


@pytest.mark.parametrize(
    ("image", "fault"),
    [
        ("", ImageFault.EMPTY_PATH),
        (" \t", ImageFault.EMPTY_PATH),
        ("/x" * 2049, ImageFault.PATH_TOO_LONG),
        ("/" + "x" * 300, ImageFault.PATH_TOO_LONG),
        ("gs://bucket/" + "é" * 513, ImageFault.PATH_TOO_LONG),
        ("/data/a\0.png", ImageFault.INVALID_PATH),
        ("/data/a\n.png", ImageFault.INVALID_PATH),
        ("/data/a\x1b[2J.png", ImageFault.INVALID_PATH),
        ("/data/a\u2028.png", ImageFault.INVALID_PATH),
        ("/data/\ud800.png", ImageFault.INVALID_PATH),
        ("/no/such/file.png", ImageFault.NOT_FOUND),
        ("/etc/passwd/cat.png", ImageFault.NOT_FOUND),
        ("gs://", ImageFault.INVALID_PATH),
        ("gs:///cat.png", ImageFault.INVALID_PATH),
        ("gs://b/cat.png", ImageFault.INVALID_PATH),
        ("gs://Bucket/cat.png", ImageFault.INVALID_PATH),
        ("gs://bucket@evil/cat.png", ImageFault.INVALID_PATH),
        ("gs://bücket/cat.png", ImageFault.INVALID_PATH),
        ("gs://bucket", ImageFault.NOT_A_FILE),
        ("gs://bucket/", ImageFault.NOT_A_FILE),
        ("gs://bucket/folder/", ImageFault.NOT_A_FILE),
    ],
)
def test_a_path_that_names_no_image_says_why(image: str, fault: ImageFault) -> None:
    assert refusal(image).fault == fault


def test_a_circle_of_links_ends(root: Path) -> None:
    (root / "a").symlink_to(root / "b")
    (root / "b").symlink_to(root / "a")
    assert refusal(str(root / "a")).fault == ImageFault.INVALID_PATH


@pytest.mark.skipif(sys.platform != "linux" and os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_entered_is_told(root: Path) -> None:
    (root / "img").chmod(0)
    with bound_by_permissions():
        assert refusal(str(root / "img/cat.png")).fault == ImageFault.PERMISSION_DENIED


@pytest.mark.parametrize("prefix", ["gs://bucket", "gs://bucket/", "gs://bucket/img", "gs://bucket/img/"])
def test_an_object_below_a_prefix_is_read_under_its_own_name(prefix: str) -> None:
    for image in ("gs://bucket/img/cat.png", "gs://bucket/img/a[1]*?#%2e.png", "gs://bucket/img//cat.png"):
        assert resolve_image_path(image, ["/data", prefix]) == image


@pytest.mark.parametrize(
    "image",
    ["gs://bucket/imgs/cat.png", "gs://bucket2/img/cat.png", "gs://bucket/%69mg/cat.png", "gs://bucket/IMG/cat.png"],
)
def test_an_object_outside_every_prefix_is_forbidden(image: str) -> None:
    assert refusal(image, "gs://bucket/img", "/").fault == ImageFault.FORBIDDEN_PATH


@pytest.mark.parametrize("image", ["gs://bucket/img/../secret.png", "gs://bucket/img/./cat.png", "gs://bucket/.."])
def test_steps_in_an_object_name_are_no_way_out(image: str) -> None:
    assert refusal(image, "gs://bucket/img").fault == ImageFault.INVALID_PATH
