"""Models that PyTorch exported, in all the forms that people give them, answer as they do in PyTorch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.engines.loading import load_engine
from models.errors import ModelFault
from models.images.decoding import Raster
from models.images.model_input import model_input
from models.registry.cache import ArtefactCache
from models.storage import LocalStorage
from models.vetting import Vetter
from tests.models.rejections import rejection
from tests.models.vetting.exported_images import images

FOLDER = Path(__file__).parent / "onnx_from_pytorch"
with np.load(FOLDER / "answers.npz") as told:
    ANSWERS: dict[str, NDArray[np.float32]] = dict(told)
ROUNDING = 1e-4
"""Of float32, in models of a few layers whose answers are at most ten."""
HALF = 1e-2
"""Of float16, in those whose answers are at most four."""
EIGHT_BITS = 0.5
"""Of one in two hundred and fifty-six, layer by layer, in one whose answers are at most ten."""


@pytest.fixture(scope="module")
def vetter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vetter]:
    cache = ArtefactCache(tmp_path_factory.mktemp("cache"))
    with contextlib.closing(Vetter(LocalStorage(), cache, largest_batch=3)) as vetter:
        yield vetter


def tolerance(name: str) -> float:
    return EIGHT_BITS if name.startswith("quantized_") else HALF if name.endswith("_half") else ROUNDING


@pytest.mark.parametrize("name", ANSWERS)
def test_a_model_answers_as_in_pytorch(name: str, vetter: Vetter) -> None:
    vetted = vetter.vet(str(FOLDER / f"{name}.onnx"))

    manifest = vetted.artefact.manifest
    spec = manifest.card.input
    pixels = [Raster(image) for image in images(len(ANSWERS[name]), spec.height, spec.width)]
    (found,) = load_engine(vetted.artefact, 1).predict(model_input(pixels, manifest))
    np.testing.assert_allclose(found, ANSWERS[name], rtol=0, atol=tolerance(name))
    assert manifest.card.task == "classification"


@pytest.mark.parametrize("name", ANSWERS)
def test_the_images_tell_a_right_answer_from_that_to_another_image(name: str) -> None:
    answers = ANSWERS[name]
    apart = [np.abs(one - other).max() for number, one in enumerate(answers) for other in answers[:number]]
    assert min(apart) > tolerance(name)


@pytest.mark.parametrize("name", ["script_any_size", "dynamo_any_size", "script_every_dimension"])
def test_a_model_of_any_size_gets_images_of_the_usual_one(name: str, vetter: Vetter) -> None:
    manifest = vetter.vet(str(FOLDER / f"{name}.onnx")).artefact.manifest
    assert manifest.input_shape == (3, 224, 224)
    assert "it takes any size, and gets 224x224" in manifest.notes[0]


@pytest.mark.parametrize("name", ["script_scaling", "dynamo_scaling"])
def test_a_model_that_normalizes_its_pixels_gets_them_as_they_are(name: str, vetter: Vetter) -> None:
    manifest = vetter.vet(str(FOLDER / f"{name}.onnx")).artefact.manifest
    assert manifest.card.input.scale == 1.0


@pytest.mark.parametrize(
    ("name", "fault", "words"),
    [
        ("dynamo_weights_beside", ModelFault.UNSAFE_CODE, "torch.onnx.export(…, external_data=False)"),
        ("script_double", ModelFault.UNSUPPORTED_LAYER, "export it in float32"),
        ("dynamo_double", ModelFault.UNSUPPORTED_LAYER, "export it in float32"),
        ("script_bfloat16", ModelFault.UNSUPPORTED_LAYER, "export it in float32"),
        ("dynamo_bfloat16", ModelFault.UNSUPPORTED_LAYER, "export it in float32"),
        ("script_one_image", ModelFault.WRONG_INPUT, "takes one image, not a batch"),
        ("dynamo_one_image", ModelFault.WRONG_INPUT, "takes one image, not a batch"),
    ],
)
def test_a_model_that_cannot_be_served_is_told_how_to_export_it(
    name: str, fault: ModelFault, words: str, vetter: Vetter
) -> None:
    refused = rejection(lambda: vetter.vet(str(FOLDER / f"{name}.onnx")))
    assert refused.fault is fault
    assert words in refused.detail


def test_every_file_of_the_folder_is_held_by_a_test() -> None:
    refused = {path.stem for path in FOLDER.glob("*.onnx")} - set(ANSWERS)
    assert {name.partition("_")[2] for name in refused} == {"weights_beside", "double", "bfloat16", "one_image"}
