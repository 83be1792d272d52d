"""Corrections become arrays: just the pixels that the stream makes, and nothing that a folder holds stops it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from PIL import Image

from models.artefacts import Manifest, OutputSpec
from models.card import Card
from models.images.decoding import DecodeLimits, decode_image
from models.images.model_input import model_input
from studio.retraining.arrays import split_corrections
from studio.retraining.corrections import Corrected, read_corrections
from studio.retraining.datasets import Arrays
from studio.retraining.digits import Digits, load_digits, no_digits
from studio.retraining.networks import INPUT, LABELS, scaled
from tests.sample_images import encoded, mosaic
from tests.studio.retraining.retraining_runs import PROJECT, Place, export, inverted_digits, line, save_png

ALL = {"most_corrections": 1000}


def assembled(place: Place) -> tuple[Any, dict[str, Digits]]:
    """What the pipeline `de` tells and makes, by Kedro's own runner."""
    bootstrap_project(PROJECT)
    session = KedroSession.create(PROJECT, runtime_params=place.parameters)
    with session:
        session.run(pipeline_names=["de"])
    names = ("digits", "validation", "test", "seen", "unseen", "training")
    return place.told("data_report"), {name: Arrays(f"{place.folder}/work/{name}.npz").load() for name in names}


def unsaid(images: Digits) -> Corrected:
    """Corrections whose lines do not say on which side they lie."""
    return Corrected(images, (None,) * len(images))


def test_digits_and_corrections_become_arrays_of_one_version(tmp_path: Path) -> None:
    place = Place(tmp_path)
    none, _ = assembled(place)
    assert none["images"] == {"digits": 1000, "validation": 197, "test": 600, "seen": 0, "unseen": 0}
    export(place.corrections, inverted_digits(40))
    told, arrays = assembled(place)
    assert told["images"]["seen"] + told["images"]["unseen"] == 40
    assert len(arrays["training"]) == 1000 + told["images"]["seen"]
    assert np.array_equal(arrays["training"].pixels[1000:], arrays["seen"].pixels)
    assert (told, told["data_version"] != none["data_version"]) == (assembled(place)[0], True)


def test_a_drawing_is_on_the_same_side_whatever_else_comes() -> None:
    corrected, share = inverted_digits(200), {"unseen_share": 0.3}
    seen, unseen = split_corrections(unsaid(corrected), share)
    assert len(seen) + len(unseen) == 200 and 30 < len(unseen) < 90
    _, of_some = split_corrections(unsaid(corrected[50:100]), share)
    assert {each.tobytes() for each in of_some.pixels} <= {each.tobytes() for each in unseen.pixels}
    assert [len(part) for part in split_corrections(unsaid(no_digits()), share)] == [0, 0]
    assert len(split_corrections(unsaid(corrected), {"unseen_share": 1.0})[0]) == 0


def test_pixels_are_to_the_last_bit_what_the_stream_gives_the_model(tmp_path: Path) -> None:
    data = encoded(mosaic(90, 70), "PNG")
    (tmp_path / "large.png").write_bytes(data)
    (tmp_path / "corrections.jsonl").write_text(line("large.png", 3))
    corrected, _ = read_corrections(tmp_path, ALL)
    card = Card("digits", "", LABELS, "classification", INPUT)
    manifest = Manifest("0" * 64, "onnx", "", card, (28, 28, 1), "float32", (OutputSpec("scores", (10,)),), 1.0)
    given = model_input([decode_image(data, limits=DecodeLimits(), needed=(28, 28))], manifest)
    assert scaled(corrected.images.pixels).tobytes() == given.tobytes()


def test_whatever_a_folder_holds_good_corrections_are_read_and_the_others_counted(tmp_path: Path) -> None:
    folder, outside = tmp_path / "corrections", tmp_path / "secret.png"
    folder.mkdir()
    good, _ = load_digits()
    save_png(outside, good.pixels[0])
    save_png(folder / "good.png", good.pixels[1])
    (folder / "link.png").symlink_to(outside)
    os.mkfifo(folder / "pipe.png")
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_bytes(b"<svg onload=alert(1)>")
    (folder / "half.png").write_bytes((folder / "good.png").read_bytes()[:80])
    Image.new("1", (20_000, 20_000)).save(folder / "bomb.png")
    hostile = [
        b"\xff\xfe\n", b"{\n", b"[]\n", b"7\n", b"[" * 60_000 + b"\n", b"\n", b'{"image": "' + b"a" * 200_000 + b'"}\n',
        *(line(image, 1).encode() for image in (None, 7, "", ["good.png"])),
        *(line("good.png", label).encode() for label in (None, "7", 10, -1, 1.0, True, 10**400)),
        *(line(image, 1).encode() for image in ("../secret.png", "link.png", "/etc/passwd", "gs://bucket/a.png")),
        *(line(image, 1).encode() for image in ("a\0b.png", "\ud800.png", "x" * 5000, "\x1b[2J.png")),
        *(line(image, 1).encode() for image in ("pipe.png", "empty.png", "text.png", "half.png", "bomb.png", ".")),
        line("good.png", 2).encode(), line("good.png", int(good.labels[1])).encode(), line("good.png", 3).encode()[:-9],
    ]  # fmt: skip
    (folder / "corrections.jsonl").write_bytes(b"".join(hostile))

    corrected, left_out = read_corrections(folder, ALL)

    assert np.array_equal(corrected.images.pixels, good.pixels[1:2])
    assert corrected.images.labels.tolist() == [good.labels[1]]
    assert left_out == {
        "corrected_again": 1,
        "empty_file": 1,
        "forbidden_path": 2,
        "invalid_path": 3,
        "line_too_long": 1,
        "no_digit": 7,
        "no_image": 4,
        "not_a_file": 2,
        "not_found": 2,
        "not_json": 6,
        "path_too_long": 1,
        "too_large": 1,
        "truncated": 1,
        "unsupported_format": 1,
    }


def test_of_one_drawing_under_two_names_the_later_correction_counts(tmp_path: Path) -> None:
    export(tmp_path, inverted_digits(1))
    save_png(tmp_path / "again.png", inverted_digits(1).pixels[0])
    with (tmp_path / "corrections.jsonl").open("a") as file:
        file.write(line("again.png", 5))
    corrected, left_out = read_corrections(tmp_path, ALL)
    assert corrected.images.labels.tolist() == [5] and left_out == {"corrected_again": 1}


def test_of_too_many_corrections_the_latest_are_read(tmp_path: Path) -> None:
    export(tmp_path, inverted_digits(9))
    corrected, left_out = read_corrections(tmp_path, {"most_corrections": 4})
    assert np.array_equal(corrected.images.pixels, inverted_digits(9).pixels[-4:]) and left_out == {"too_many": 5}


def test_a_line_that_says_its_side_is_on_it_whatever_its_pixels_say(tmp_path: Path) -> None:
    drawn = inverted_digits(5)
    sides = (True, False, None, True, "yes")
    for number, pixels in enumerate(drawn.pixels):
        save_png(tmp_path / f"{number}.png", pixels)
    said = [json.loads(line(f"{number}.png", 1)) | {"unseen": side} for number, side in enumerate(sides)]
    again = json.loads(line("3.png", 1)) | {"unseen": False}
    (tmp_path / "corrections.jsonl").write_text("".join(json.dumps(each) + "\n" for each in [*said, again]))
    corrected, left_out = read_corrections(tmp_path, ALL)
    assert corrected.unseen == (True, False, None, False) and left_out == {"no_side": 1, "corrected_again": 1}
    for share, counts in ((0.0, (3, 1)), (1.0, (2, 2))):
        assert tuple(map(len, split_corrections(corrected, {"unseen_share": share}))) == counts
