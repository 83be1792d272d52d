"""What `hotswap publish --precision int8` promises: the same answers in 8 bits, or a reason and nothing written."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import helper
from PIL import Image

from models.errors import ReleaseError
from models.releasing import release
from models.releasing.card_in_file import embedded_card
from models.vetting.eight_bits import is_quantized
from tests.launch.commands.hotswap_command import Command, error_line
from tests.model_files import raw, save_onnx
from tests.models.releasing.digit_networks import IMAGES, NAMES
from tests.own_process import run_module

INT8 = ("--precision", "int8", "--calibration", "images")


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("networks")
    run_module("tests.models.releasing.digit_networks", folder)
    return folder


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    """A folder of images that are all noise, of which each is another."""
    folder = tmp_path / "noise"
    folder.mkdir()
    for number in range(10):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def classes(path: Path, images: Path) -> NDArray[np.int64]:
    """What ONNX Runtime, asked by nothing of this project, says to each image."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    pixels = np.stack([np.asarray(Image.open(file).convert("L"), np.float32) for file in sorted(images.iterdir())])
    [scores] = session.run(None, {session.get_inputs()[0].name: pixels[..., None] / np.float32(255)})
    return scores.argmax(axis=1)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_in_8_bits_answers_as_before_and_is_an_ordinary_one(
    name: str, networks: Path, hotswap: Command
) -> None:
    images = networks / "images"
    outcome = hotswap(
        *("publish", str(networks / name), "models/", "--precision", "int8", "--calibration", str(images)),
        *("--version", "8"),
    )

    assert outcome.code == 0, outcome.err
    [published] = Path("models").iterdir()
    assert published.suffix == ".onnx"
    assert is_quantized(onnx.load_model(published))
    card = embedded_card(published)
    assert (card["name"], card["version"]) == (Path(name).stem, "8")
    assert card["input"]["scale"] == pytest.approx(1 / 255)
    assert published.stat().st_size < 0.5 * (networks / NAMES[2]).stat().st_size
    same = classes(published, images) == classes(networks / NAMES[2], images)
    assert same.mean() >= 0.98
    assert f"in 8 bits {same.mean():.1%} of {IMAGES} images get the same first class, the largest diff" in outcome.out
    assert hotswap("vet", str(published)).code == 0


def test_what_is_no_image_is_skipped_and_counted(networks: Path, hotswap: Command) -> None:
    images = Path("images")
    images.mkdir()
    for file in sorted((networks / "images").iterdir())[:20]:
        (images / file.name).write_bytes(file.read_bytes())
    whole = (images / "000.png").read_bytes()
    (images / "cut.png").write_bytes(whole[: len(whole) // 2])
    huge = whole[:16] + (100_000).to_bytes(4, "big") * 2 + whole[24:]
    (images / "huge.png").write_bytes(huge)
    (images / "notes.txt").write_text("not an image")
    (images / ".hidden.png").write_bytes(b"")
    os.mkfifo(images / "pipe.png")

    model = str(networks / NAMES[2])
    outcome = hotswap("publish", model, "models/", "--precision", "int8", "--calibration", "images", "--dry-run")

    assert outcome.code == 0, outcome.err
    assert "of 20 images" in outcome.out
    assert "; 3 files that are no images were skipped" in outcome.out
    assert not Path("models").exists()


def close_scores(path: Path) -> Path:
    """A model whose scores lie closer together than the steps of a number that is a thousand times as large."""
    random = np.random.default_rng(1)
    constants = {
        "kernel": random.normal(0, 0.01, (192, 4)).astype(np.float32),
        "large": np.full(4, 1000, np.float32),
        "same": np.eye(4, dtype=np.float32),
        "less": np.full(4, -1000, np.float32),
    }
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("Gemm", ["flat", "kernel", "large"], ["high"]),
        helper.make_node("Gemm", ["high", "same", "less"], ["scores"]),
    ]
    return save_onnx(path, nodes, ["n", 8, 8, 3], ["n", 4], constants)


def test_a_model_that_8_bits_make_another_of_is_refused(noise: Path, hotswap: Command) -> None:
    close_scores(Path("m.onnx"))
    asked = ("publish", "m.onnx", "models/", "--precision", "int8", "--calibration", str(noise))

    outcome = hotswap(*asked)

    assert outcome.code == 1
    assert "in 8 bits it answers otherwise too often: " in error_line(outcome)
    assert "% of 10 images get the same first class" in error_line(outcome)
    assert "where 98.0% are asked for" in error_line(outcome)
    assert not Path("models").exists()
    assert hotswap(*asked, "--least-agreement", "0").code == 0
    assert len(list(Path("models").iterdir())) == 1


@pytest.mark.parametrize("what", ["nothing to quantize", "quantized already"])
def test_what_cannot_be_quantized_is_refused(what: str, noise: Path, networks: Path, hotswap: Command) -> None:
    raw(Path("m.onnx"))
    images, model = noise, "m.onnx"
    if what == "quantized already":
        images = networks / "images"
        asked = ("--precision", "int8", "--calibration", str(images))
        model = hotswap("publish", str(networks / NAMES[2]), "once/", *asked).last_line.partition("@")[0]

    outcome = hotswap("publish", model, "models/", "--precision", "int8", "--calibration", str(images))

    assert outcome.code == 1
    assert "unsupported_layer: cannot be quantized: " in error_line(outcome)
    assert "publish it without --precision" in error_line(outcome)
    assert not Path("models").exists()


def black(folder: Path) -> None:
    for number in range(20):
        Image.new("RGB", (8 + number, 8)).save(folder / f"{number}.png")


def too_few(folder: Path) -> None:
    for number in range(7):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / f"{number}.png")


def no_images(folder: Path) -> None:
    for number in range(20):
        (folder / f"{number}.png").write_bytes(b"no image")


@pytest.mark.parametrize(
    ("fill", "words"),
    [
        (black, "20 of 20 files in images are images, 1 of them different, and 8 are needed"),
        (too_few, "7 of 7 files in images are images, 7 of them different, and 8 are needed"),
        (no_images, "0 of 20 files in images are images, 0 of them different, and 8 are needed; 0.png: not_an_image"),
        (lambda folder: None, "there is no image in images to calibrate with"),
        (Path.rmdir, "there is no folder images of images to calibrate with"),
    ],
    ids=["all black", "too few", "no images", "empty", "absent"],
)
def test_a_folder_that_nothing_can_be_calibrated_with_is_refused(fill: object, words: str, hotswap: Command) -> None:
    close_scores(Path("m.onnx"))
    Path("images").mkdir()
    fill(Path("images"))  # type: ignore[operator]
    outcome = hotswap("publish", "m.onnx", "models/", "--precision", "int8", "--calibration", "images")
    assert outcome.code == 2
    assert words in error_line(outcome)
    assert not Path("models").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["models/", "--precision", "int8"], "--precision int8 needs --calibration DIR"),
        (["models/", "--calibration", "images"], "--calibration goes with --precision int8 alone"),
        (["models/", "--precision", "fp32", "--calibration", "images"], "--calibration goes with --precision int8"),
        (["models/", "--least-agreement", "0.9"], "--least-agreement goes with --precision int8 alone"),
        (["models/", "--precision", "int4", "--calibration", "images"], "'int4'"),
        (
            ["models/", *INT8, "--least-agreement", "1.01"],
            "--least-agreement",
        ),
        (["models/m.h5", *INT8], "it should end in .onnx"),
        (["taken.onnx", *INT8], "taken.onnx exists"),
    ],
)
def test_options_that_do_not_go_together_are_one_line_and_code_2(
    arguments: list[str], words: str, noise: Path, hotswap: Command
) -> None:
    close_scores(Path("m.onnx"))
    Path("taken.onnx").write_bytes(b"")
    noise.rename("images")
    outcome = hotswap("publish", "m.onnx", *arguments)
    assert outcome.code == 2
    assert words in error_line(outcome)
    assert not Path("models").exists()


def test_a_program_releases_a_model_in_8_bits(
    networks: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOTSWAP_CACHE", str(cache))
    model, images = networks / NAMES[2], networks / "images"
    released = release(model, tmp_path / "best.onnx", precision="int8", calibration=images, labels=list("0123456789"))
    assert released.reference.uri == str(tmp_path / "best.onnx")
    assert released.artefact.manifest.card.label(7) == "7"
    assert is_quantized(onnx.load_model(tmp_path / "best.onnx"))
    with pytest.raises(ReleaseError, match="calibration"):
        release(model, tmp_path / "next.onnx", precision="int8")
    with pytest.raises(ReleaseError, match="calibration"):
        release(model, tmp_path / "next.onnx", calibration=images)
