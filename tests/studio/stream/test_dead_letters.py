"""A dead letter's image is shown where it lies in its place and can be decoded, and nothing else is ever shown."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from studio.places import Places
from studio.stream.figures import Figures


@pytest.fixture
def places(tmp_path: Path) -> Places:
    places = Places(tmp_path / "studio", tmp_path / "models")
    places.make()
    return places


@pytest.fixture
def figures(places: Places) -> Figures:
    return Figures(places)


def letter(image: Path | str) -> dict[str, Any]:
    return {"image": str(image), "stage": "predict", "error": "prediction_failed", "detail": "", "attributes": {}}


def shown(figures: Figures, image: Path | str) -> bytes | None:
    """What a browser gets of a dead letter of this image; None where it is offered nothing, or gets nothing."""
    figures.take_dead_letter(letter(image))
    told = figures.history()["dead_letters"][0]
    picture = figures.picture(told["id"])
    assert told["picture"] in (None, f"/api/dead-letters/{told['id']}.png")
    assert told["picture"] is not None or picture is None
    return picture


def picture(path: Path, width: int = 28, height: int = 28) -> Path:
    Image.new("RGB", (width, height), (200, 100, 50)).save(path)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.bmp", "a.webp", "a.tiff"])
def test_an_image_is_shown_as_a_png_made_here(figures: Figures, places: Places, name: str) -> None:
    for folder in (places.drawings, places.images):
        png = shown(figures, picture(folder / name))

        assert png is not None
        with Image.open(io.BytesIO(png)) as image:
            assert (image.format, image.size) == ("PNG", (28, 28))
            assert np.abs(np.asarray(image).astype(int) - (200, 100, 50)).max() < 10


def test_what_a_file_has_beside_its_pixels_is_not_passed_on(figures: Figures, places: Places) -> None:
    path = picture(places.images / "a.png")
    path.write_bytes(path.read_bytes() + b"<script>alert(1)</script>")

    png = shown(figures, path)

    assert png is not None
    assert b"script" not in png


def test_a_path_longer_than_any_is_not_kept_to_be_shown(figures: Figures, places: Places) -> None:
    image = picture(places.images / "a.png")

    assert shown(figures, f"{places.images}/{'./' * 3000}{image.name}") is None


def test_a_large_image_is_shown_small(figures: Figures, places: Places) -> None:
    png = shown(figures, picture(places.images / "large.png", 3000, 2000))

    assert png is not None
    assert max(Image.open(io.BytesIO(png)).size) <= 256


def test_what_cannot_be_decoded_is_not_shown(figures: Figures, places: Places) -> None:
    whole = picture(places.images / "whole.png", 500, 500).read_bytes()
    cut, empty, text = (places.images / name for name in ("cut.png", "empty.png", "text.png"))
    cut.write_bytes(whole[:30])
    empty.write_bytes(b"")
    text.write_bytes(b"no image")
    huge = places.images / "huge.png"
    huge.write_bytes(whole + bytes(9 << 20))

    assert [shown(figures, each) for each in (cut, empty, text, huge)] == [None] * 4


@pytest.mark.parametrize("name", ["cut.png", "cut.jpg"])
def test_of_a_file_that_is_cut_off_its_beginning_is_shown(figures: Figures, places: Places, name: str) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (100, 100, 3), dtype=np.uint8)
    path = places.images / name
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    png = shown(figures, path)

    assert png is not None
    pixels = np.asarray(Image.open(io.BytesIO(png)))
    assert pixels.shape == (100, 100, 3)
    assert pixels[:30].std() > 30
    assert pixels[-10:].std() < 5


def test_what_is_known_to_have_no_picture_offers_none(figures: Figures, places: Places) -> None:
    figures.take_dead_letter(letter(picture(places.images / "a.png")) | {"error": "not_an_image"})

    assert figures.history()["dead_letters"][0]["picture"] is None


def test_a_cut_file_of_too_many_pixels_is_not_shown(figures: Figures, places: Places) -> None:
    path = picture(places.images / "wide.png", 6_000, 5_000)
    path.write_bytes(path.read_bytes()[:-100])

    assert shown(figures, path) is None


def test_an_image_of_more_pixels_than_are_decoded_here_is_not_shown(figures: Figures, places: Places) -> None:
    assert shown(figures, picture(places.images / "wide.png", 60_000, 500)) is None


def test_no_file_elsewhere_is_shown_by_whatever_name(figures: Figures, places: Places, tmp_path: Path) -> None:
    outside = picture(tmp_path / "outside.png")
    (places.images / "link.png").symlink_to(outside)
    (places.images / "folder").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(places.images / "pipe.png")
    names: list[Path | str] = [
        outside,
        places.images / "link.png",
        places.images / "folder" / "outside.png",
        places.images / "pipe.png",
        places.images,
        f"{places.images}/../../outside.png",
        f"file://{outside}",
        "gs://bucket/object.png",
        "",
        "\0",
        "x" * 10_000,
    ]

    for name in names:
        assert shown(figures, name) is None, name


def test_a_link_put_in_an_images_place_later_is_not_followed(figures: Figures, places: Places, tmp_path: Path) -> None:
    path = picture(places.images / "a.png")
    figures.take_dead_letter(letter(path))
    told = figures.history()["dead_letters"][0]
    assert figures.picture(told["id"]) is not None

    path.unlink()
    path.symlink_to(picture(tmp_path / "outside.png"))

    assert figures.picture(told["id"]) is None


def test_a_dead_letter_that_nobody_knows_has_no_picture(figures: Figures) -> None:
    assert figures.picture("../../etc/passwd") is None


def test_words_are_counted_the_most_frequent_first(figures: Figures) -> None:
    for word in ("truncated", "not_found", "not_found", "<b>", "no_model", "not_found", "no_model"):
        figures.take_dead_letter({"error": word})

    assert list(figures.history()["words"].items())[:2] == [("not_found", 3), ("no_model", 2)]
    assert figures.history()["words"] == {"not_found": 3, "no_model": 2, "truncated": 1, "other": 1}
