"""Whatever bytes a component or an array has, it is taken or refused with a word, and nothing is written elsewhere."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.image_files import ImageFile, decode
from models.components.opening import open_component
from models.errors import ComponentRefused, ImageError
from models.images.decoding import DecodeLimits
from tests.component_files import component_of, with_manifest
from tests.fuzz.test_fuzz_images import CHANGES, SPECIAL, change

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(alphabet=st.characters(codec="utf-8"), max_size=20)
    | st.sampled_from(["../x", "/etc/passwd", "a\x00b", "x" * 5000, "C:\\x", ">=0", "linux-x86_64"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
AT_THE_END = st.tuples(st.integers(0, 330), st.sampled_from([0, 0, 1, 2]), st.sampled_from(SPECIAL))


@lru_cache
def packed() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return component_of(Path(folder)).read_bytes()


def check(data: bytes, changed: Any = None) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, archive = Path(name) / "opened", Path(name) / "c.zip"
        folder.mkdir()
        archive.write_bytes(data)
        if changed is not None:
            with_manifest(archive, changed)
        try:
            open_component(archive, folder)
        except ComponentRefused as refusal:
            assert refusal.detail.isprintable()
            assert len(refusal.detail) <= 400
        assert {path.name for path in Path(name).iterdir()} == {"opened", "c.zip"}
        assert all(path.parent == folder and path.is_file() and not path.is_symlink() for path in folder.rglob("*"))


@given(CHANGES, st.lists(AT_THE_END, max_size=3))
def test_an_archive_of_any_bytes_is_taken_or_refused(changes: list[Any], at_the_end: list[Any]) -> None:
    data = packed()
    for at, kind, piece in changes:
        data = change(data, at, kind, piece)
    for before_end, kind, piece in at_the_end:
        data = change(data, max(0, len(data) - before_end), kind, piece)
    check(data)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where a value of JSON has others in it, itself left out."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, each in inner for found in [(*path, key), *places(each, (*path, key))]]


@given(st.lists(st.tuples(st.integers(0, 99), ANYTHING), min_size=1, max_size=2))
def test_a_manifest_of_any_values_is_taken_or_refused(changes: list[tuple[int, Any]]) -> None:
    def changed(manifest: dict[str, Any]) -> None:
        for at, value in changes:
            found = places(manifest)
            *way, last = found[at % len(found)]
            inner: Any = manifest
            for key in way:
                inner = inner[key]
            inner[last] = value

    check(packed(), changed)


@given(CHANGES)
def test_an_array_of_any_bytes_is_pixels_or_an_error_with_a_word(changes: list[Any]) -> None:
    file = io.BytesIO()
    np.save(file, np.zeros((4, 5, 3), np.uint8))
    data = file.getvalue()
    for at, kind, piece in changes:
        data = change(data, at, kind, piece)
    try:
        pixels = decode(ImageFile("a.npy", "a.npy", (0, 0, 0)), data, DecodeLimits(), None).pixels
    except ImageError as error:
        assert error.detail.isprintable()
    else:
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3


def test_what_is_changed_here_is_taken_unchanged() -> None:
    with zipfile.ZipFile(io.BytesIO(packed())) as archive:
        assert json.loads(archive.read("manifest.json"))["name"] == "animals"
    with tempfile.TemporaryDirectory() as name:
        archive_path = Path(name) / "c.zip"
        archive_path.write_bytes(packed())
        (Path(name) / "opened").mkdir()
        assert open_component(archive_path, Path(name) / "opened").component.name == "animals"
