"""`--preprocess NAME` gives a model the pixels that the family's own `preprocess_input` gives it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from models.artefacts import Manifest
from models.card import Card, InputSpec, read_card
from models.errors import ReleaseError
from models.images.decoding import Raster
from models.images.model_input import model_input
from models.releasing.card_in_file import embedded_card
from models.releasing.destination import read_destination
from models.releasing.preprocessing import preprocessing
from models.releasing.release import prepare, release
from models.storage.schemes import AnyStorage
from tests.model_files import tiny_classifier
from tests.own_process import run_module

HEIGHT, WIDTH = 160, 224
ONE_ROUNDING = 2**-23
"""Of float32 below 2: Keras divides by 127.5, and a card multiplies by its inverse, which is rounded too."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Keras makes of the photographs; in another process, as Keras takes seconds to import."""
    folder = tmp_path_factory.mktemp("families")
    run_module("tests.models.releasing.keras_families", folder)
    return folder


def ours(name: str) -> np.ndarray:
    inferred = Card("m", "", (), "raw", InputSpec(HEIGHT, WIDTH))
    card = read_card({"input": preprocessing(name)}, inferred)
    manifest = Manifest("0" * 64, "onnx", "", card, (HEIGHT, WIDTH, 3), "float32", (), 0.0)
    return model_input([Raster(photograph) for photograph in load_sample_images().images], manifest)


def test_every_family_of_keras_gets_the_pixels_of_its_own_preprocessing(told: Path) -> None:
    families = sorted(path.stem for path in told.glob("*.npy"))
    assert {"resnet50", "mobilenet_v3"} <= set(families)
    for family in families:
        theirs = np.load(told / f"{family}.npy")
        np.testing.assert_allclose(ours(family), theirs, rtol=0, atol=ONE_ROUNDING, err_msg=family)


def test_every_architecture_is_a_name_of_its_family(told: Path) -> None:
    architectures = json.loads((told / "architectures.json").read_text())
    assert "MobileNetV3Small" in architectures
    for architecture, family in architectures.items():
        assert preprocessing(architecture) == preprocessing(family), architecture


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("mobilenetv2", "mobilenet_v2"),
        ("MobileNet-V2", "mobilenet_v2"),
        ("mobilenet_v1", "mobilenet"),
        ("resnet50v2", "resnet_v2"),
        ("ResNet50", "resnet"),
        ("inception", "inception_v3"),
        ("EfficientNetB0", "efficientnet"),
        ("vgg", "vgg16"),
    ],
)
def test_a_family_is_known_by_what_people_call_it(name: str, family: str) -> None:
    assert preprocessing(name) == preprocessing(family)


@pytest.mark.parametrize("name", ["", "resnet51", "x" * 1000, "two\nlines"])
def test_an_unknown_family_is_one_line_that_lists_those_there_are(name: str) -> None:
    with pytest.raises(ReleaseError) as refused:
        preprocessing(name)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 400
    for family in ("resnet_v2", "vgg16", "efficientnet", "xception"):
        assert f"{family}," in str(refused.value)


@pytest.mark.parametrize("given", [True, False], ids=["given beside it", "in the file"])
def test_what_a_card_says_of_an_images_size_stays_and_what_it_says_of_pixels_gives_way(
    given: bool, tmp_path: Path
) -> None:
    card: dict[str, Any] = {"input": {"height": 8, "fit": "crop", "scale": 3.0, "color": "RGB"}, "version": "2"}
    model = tiny_classifier(tmp_path / "m.onnx", card=None if given else card)
    destination = read_destination(str(tmp_path / "models"))

    with prepare(AnyStorage(), str(model), destination, card if given else {}, "vgg16") as prepared:
        written = embedded_card(prepared.path)

    assert written["input"] == {"height": 8, "fit": "crop"} | preprocessing("vgg16")
    assert written["version"] == "2"


def test_a_program_releases_a_model_with_the_preprocessing_of_a_family(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / "cache"))
    model = tiny_classifier(tmp_path / "m.onnx")

    spec = release(model, tmp_path / "models", preprocess="resnet50").artefact.manifest.card.input

    assert (spec.color, spec.scale, spec.mean) == ("BGR", 1.0, (103.939, 116.779, 123.68))


def test_an_unknown_family_is_refused_before_the_model_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="no family"):
        release(tmp_path / "absent.onnx", tmp_path / "models", preprocess="resnet51")
