"""A stream of hostile messages, broken images and odd but valid ones: each gets its answer, and harms no other."""

from __future__ import annotations

import io
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from google.cloud import pubsub_v1
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageOps

from tests import sample_images
from tests.end_to_end.local_run import PATIENCE_SECONDS
from tests.end_to_end.onnx_run import OnnxRun, onnx_run

pytestmark = pytest.mark.end_to_end

MOST_IMAGE_BYTES = 12_000_000
PEAK_BYTES = 700 << 20
"""Python, Beam, ONNX Runtime and gRPC take a third of it; one image of the size allowed here may take another."""
TOLERANCE = 0.09

Attributes = dict[str, str]
NO_ATTRIBUTES: Attributes = {}


@dataclass(frozen=True)
class Hostile:
    """A message, and the words that its dead letter may have."""

    payload: bytes
    errors: set[str]
    attributes: tuple[tuple[str, str], ...] = ()


def quadrants_model() -> bytes:
    """An ONNX model that answers with the mean red, green and blue, 0..1, of an image's four quadrants."""
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["image", "shape"], ["blocks"]),
            helper.make_node("ReduceMean", ["blocks", "axes"], ["means"], keepdims=0),
            helper.make_node("Flatten", ["means"], ["quadrants"]),
        ],
        "quadrants",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 8, 8, 3])],
        [helper.make_tensor_value_info("quadrants", TensorProto.FLOAT, ["batch", 12])],
        [
            numpy_helper.from_array(np.array([0, 2, 4, 2, 4, 3], np.int64), "shape"),
            numpy_helper.from_array(np.array([2, 4], np.int64), "axes"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {"model_card": json.dumps({"name": "quadrants", "task": "regression"})})
    return bytes(model.SerializeToString())


def quadrants(data: bytes) -> NDArray[np.float64]:
    """What the model should answer for an image file."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    width, height = (max(2, side) for side in image.size)
    pixels = np.asarray(image.resize((width, height), Image.Resampling.BOX), np.float64) / 255
    halves = [np.array_split(rows, 2, axis=1) for rows in np.array_split(pixels, 2, axis=0)]
    return np.concatenate([block.mean(axis=(0, 1)) for row in halves for block in row])


@lru_cache
def valid_files() -> dict[str, bytes]:
    """Odd but valid images, some of them under a wrong extension."""
    turned = {f"turned{number}.jpg": sample_images.rotated("JPEG", number) for number in range(2, 9)}
    wrong = {"really_a_png.jpg": sample_images.encoded(sample_images.small(), "PNG")}
    large = {"large.jpg": sample_images.encoded(sample_images.mosaic(6000, 4000), "JPEG", quality=70)}
    return sample_images.valid_files() | turned | wrong | large


@lru_cache
def hostile_files() -> dict[str, tuple[bytes, set[str]]]:
    """Files that are no good images, and the words that their dead letters may have."""
    photo = sample_images.encoded(sample_images.small(), "PPM")
    files: dict[str, tuple[bytes, set[str]]] = {
        "empty.png": (b"", {"empty_file"}),
        "text.png": (b"just text, and a lot of it\n" * 1000, {"not_an_image"}),
        "photo.ppm": (photo, {"unsupported_format", "not_an_image"}),
        "heavy.png": (b"\x89PNG\r\n\x1a\n" + bytes(MOST_IMAGE_BYTES), {"too_large"}),
    }
    for name, make in sample_images.BOMBS.items():
        files[f"bomb_{name}"] = (make(), {"too_large"})
    for name, data in sample_images.valid_files().items():
        if name.startswith("photo"):
            files[f"half_{name}"] = (data[: len(data) // 2], {"truncated", "corrupt"})
            files[f"head_{name}"] = (data[:12], {"truncated", "corrupt", "not_an_image"})
    return files


def fat_files() -> dict[str, bytes]:
    """Images with monstrous extras: whether answered or refused, they cost little."""
    return {
        "text_bomb.png": sample_images.png_text_bomb(),
        "tag_bomb.tiff": sample_images.tiff_tag_bomb(),
        "exif_bomb.jpg": sample_images.jpeg_exif_bomb(),
        "comment_bomb.gif": sample_images.gif_comment_bomb(),
    }


def hostile_messages(allowed: Path) -> list[Hostile]:
    """Messages that name no image, or none that may be read."""
    inside, secret = str(allowed), str(allowed.parent / "secret.png")
    finalized = (("eventType", "OBJECT_FINALIZE"), ("bucketId", "evil-bucket"), ("objectId", "a.png"))
    return [
        Hostile(b"\xff\xfe/etc", {"not_utf8"}),
        Hostile(b"", {"empty_path"}, (("just", "attributes"),)),
        Hostile(b" \n", {"empty_path"}),
        Hostile(b"/" + b"x" * 5000, {"path_too_long"}),
        Hostile(f"{inside}/{'x' * 300}".encode(), {"path_too_long", "not_found"}),
        Hostile(f"{inside}/none.png".encode(), {"not_found"}),
        Hostile(f"{inside}/*.png".encode(), {"not_found"}),
        Hostile(f"{inside}/%2e%2e/secret.png".encode(), {"not_found"}),
        Hostile(inside.encode(), {"not_a_file"}),
        Hostile(f"{inside}/pipe".encode(), {"not_a_file"}),
        Hostile(f"{inside}/a\x00b.png".encode(), {"invalid_path"}),
        Hostile(f"{inside}/a\x1b[2J.png".encode(), {"invalid_path"}),
        Hostile(b"/etc/passwd", {"forbidden_path"}),
        Hostile(b"../../../../etc/passwd", {"forbidden_path"}),
        Hostile(secret.encode(), {"forbidden_path"}),
        Hostile(f"{inside}/../secret.png".encode(), {"forbidden_path"}),
        Hostile(f"{inside}/link.png".encode(), {"forbidden_path"}),
        Hostile(f"{inside}2/photo.png".encode(), {"forbidden_path"}),
        Hostile(
            inside.replace("allowed", "\N{CYRILLIC SMALL LETTER A}llowed").encode() + b"/photo.png", {"forbidden_path"}
        ),
        Hostile(b"gs://evil-bucket/photo.png", {"forbidden_path"}),
        Hostile(b"ignored", {"forbidden_path"}, finalized),
        Hostile(b"file:///etc/passwd", {"unsupported_scheme"}),
        Hostile(b"http://169.254.169.254/photo.png", {"unsupported_scheme"}),
        Hostile(b"data:image/png;base64,AAAA", {"unsupported_scheme"}),
    ]


@dataclass
class Told:
    """One finished run: what was asked, what it answered, what it cost."""

    allowed: Path
    messages: int
    results: dict[str, dict[str, Any]]
    letters: list[dict[str, Any]]
    books: dict[str, int]
    log: str
    peak_bytes: int


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """A run that was given everything, neighbours mixed; the tests below read what it wrote."""
    root = tmp_path_factory.mktemp("hostile")
    allowed = root / "allowed"
    for folder in (allowed, root / "allowed2", root / "models"):
        folder.mkdir()
    bad = {name: data for name, (data, _) in hostile_files().items()}
    for name, data in (valid_files() | bad | fat_files()).items():
        (allowed / name).write_bytes(data)
    for path in (root / "secret.png", root / "allowed2" / "photo.png"):
        path.write_bytes(valid_files()["photo.png"])
    (allowed / "link.png").symlink_to(root / "secret.png")
    os.mkfifo(allowed / "pipe")
    (root / "models" / "quadrants.onnx").write_bytes(quadrants_model())
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HOTSWAP_CACHE", str(root / "cache"))
        with onnx_run(root, "--max-image-bytes", str(MOST_IMAGE_BYTES), prefix=allowed) as run:
            yield _through(run, allowed)


def _through(run: OnnxRun, allowed: Path) -> Told:
    names = [*valid_files(), *hostile_files(), *fat_files()]
    messages = [(str(allowed / name).encode(), NO_ATTRIBUTES) for name in names]
    messages += [(message.payload, dict(message.attributes)) for message in hostile_messages(allowed)]
    deleted = {"eventType": "OBJECT_DELETE", "bucketId": "b", "objectId": "o"}
    messages += [(b"{}", deleted)] * 3
    shuffled = [messages[place] for place in np.random.default_rng(7).permutation(len(messages))]
    run.until(lambda: "ready:" in run.log(), "the ready line")
    words = dict(word.split("=", 1) for word in run.log().partition("ready: ")[2].split()[:2])
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PUBSUB_EMULATOR_HOST", words["PUBSUB_EMULATOR_HOST"])
        publisher = pubsub_v1.PublisherClient()
        futures = [publisher.publish(words["topic"], data, **attributes) for data, attributes in shuffled]
        for future in futures:
            future.result(30)
        publisher.stop()
    wanted = len(messages) - 3
    run.until(lambda: len(run.records("results")) + len(run.records("dead")) >= wanted, "every outcome")
    status = Path(f"/proc/{run.process.pid}/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
    run.process.send_signal(signal.SIGTERM)
    assert run.process.wait(PATIENCE_SECONDS) == 0, run.log()
    results = {Path(result["image"]).name: result for result in run.records("results")}
    return Told(allowed, len(messages), results, run.records("dead"), run.books(), run.log(), peak)


def test_the_books_balance(told: Told) -> None:
    assert told.books == {
        "in": told.messages,
        "results": len(told.results),
        "dead": len(told.letters),
        "skipped": 3,
    }
    assert told.messages == len(told.results) + len(told.letters) + 3


@pytest.mark.parametrize("name", sorted(valid_files()))
def test_an_odd_but_valid_image_gets_its_right_answer(name: str, told: Told) -> None:
    values = told.results[name]["values"]

    assert np.abs(values - quadrants(valid_files()[name])).max() < TOLERANCE


@pytest.mark.parametrize("name", sorted(hostile_files()))
def test_a_broken_image_is_one_dead_letter_with_its_reason(name: str, told: Told) -> None:
    [letter] = [letter for letter in told.letters if letter.get("image") == str(told.allowed / name)]

    assert letter["error"] in hostile_files()[name][1]
    assert letter["detail"].isprintable()


@pytest.mark.parametrize("name", sorted(fat_files()))
def test_an_image_with_monstrous_extras_has_one_outcome(name: str, told: Told) -> None:
    letters = [letter for letter in told.letters if letter.get("image") == str(told.allowed / name)]

    assert len(letters) + (name in told.results) == 1


@pytest.mark.parametrize("number", range(len(hostile_messages(Path("/x/allowed")))))
def test_a_hostile_message_gets_nowhere_and_is_told(number: int, told: Told) -> None:
    message = hostile_messages(told.allowed)[number]
    attributes = dict(message.attributes)

    def is_its_letter(letter: dict[str, Any]) -> bool:
        name = letter["image"].encode() if "image" in letter else None
        return letter["attributes"] == attributes and (name in (message.payload, b"gs://evil-bucket/a.png") or not name)

    assert [letter for letter in told.letters if is_its_letter(letter) and letter["error"] in message.errors]


def test_nothing_outside_the_prefix_was_answered(told: Told) -> None:
    assert set(told.results) <= set(valid_files()) | set(fat_files())


def test_no_stage_was_restarted(told: Told) -> None:
    assert "Traceback" not in told.log
    assert "Exception" not in told.log


def test_memory_stays_bounded(told: Told) -> None:
    assert told.peak_bytes < PEAK_BYTES, f"{told.peak_bytes >> 20} MiB"


def test_the_model_is_what_the_answers_are_compared_with() -> None:
    onnx.checker.check_model(onnx.load_from_string(quadrants_model()))
