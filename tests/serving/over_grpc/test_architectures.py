"""The five architectures, served, answer what Keras itself answers: to images, and to tensors of their own input."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models.reference import sha256_of
from serving.messages.pool import message
from tests.models.tasks import ssd
from tests.own_process import run_module
from tests.serving.over_grpc.speaking import (
    METADATA,
    PREDICT,
    Speaker,
    images_request,
    numbers_of,
    tensor_request,
    texts_of,
)
from tests.serving.running_server import RunningServer, running_server
from tests.waiting import eventually

CLASSIFIERS = ("DenseNet121", "ResNet50", "VGG16", "ResNet152")
PLANTED_LABEL = 7
"""The class that the SSD finds in one of its default boxes."""


class Kept(NamedTuple):
    """A model as Keras saved it.

    Attributes:
        path: of the model.
        images: that it was shown, pixels 0..255, shape (n, height, width, 3).
        outputs: what it answered, by name.
    """

    path: Path
    images: NDArray[np.uint8]
    outputs: dict[str, NDArray[np.float32]]

    @property
    def files(self) -> list[bytes]:
        """The images as files without loss."""
        files = []
        for pixels in self.images:
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "PNG")
            files.append(file.getvalue())
        return files

    @property
    def tensor(self) -> NDArray[np.float32]:
        """The images as the model takes them."""
        return (self.images / np.float32(255)).astype(np.float32)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("architectures")
    run_module("tests.serving.architectures", folder)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("server"), "--max-batch-size", "2", "--poll-seconds", "0.2") as server:
        yield server


def kept(saved: Path, name: str) -> Kept:
    with np.load(saved / f"{name}.npz") as arrays:
        outputs = {each: arrays[each] for each in arrays if each != "images"}
        return Kept(saved / f"{name}.h5", arrays["images"], outputs)


def put_live(server: RunningServer, model: Kept) -> tuple[Speaker, str]:
    """Drops a model, and waits until it answers; a connection to the server, and the name of the model's own input."""
    (path := server.models / model.path.name).hardlink_to(model.path)
    os.utime(path)
    digest = sha256_of(path)[:12]
    speaker = Speaker(server.grpc)
    request = message("tensorflow.serving.GetModelMetadataRequest")(metadata_field=["signature_def"])

    def is_live() -> bool:
        return bool(speaker.ask(METADATA, request).model_spec.version.value == int(digest, 16))

    eventually(is_live, f"{path.name} to be live", 200)
    signatures = message("tensorflow.serving.SignatureDefMap")()
    signatures.ParseFromString(speaker.ask(METADATA, request).metadata["signature_def"].value)
    [own] = set(signatures.signature_def["serving_default"].inputs) - {"images"}
    return speaker, own


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_answers_as_keras_does(server: RunningServer, saved: Path, name: str) -> None:
    model = kept(saved, name)
    [scores] = model.outputs.values()
    speaker, own = put_live(server, model)
    with speaker.channel:
        for request in (images_request(model.files), tensor_request(model.tensor, own)):
            response = speaker.ask(PREDICT, request)
            np.testing.assert_allclose(numbers_of(response, "scores"), scores, atol=1e-3)
            assert numbers_of(response, "classes").tolist() == scores.argmax(axis=1).tolist()
            [model_id] = set(texts_of(response, "model_id"))
            assert model_id.partition("@")[0] == str(server.models / model.path.name)


def test_an_ssd_of_twelve_outputs_answers_as_keras_does(server: RunningServer, saved: Path) -> None:
    model = kept(saved, "SSD-VGG")
    assert len(model.outputs) == 12
    speaker, own = put_live(server, model)
    with speaker.channel:
        for request in (images_request(model.files), tensor_request(model.tensor, own)):
            found = speaker.ask(PREDICT, request)
            assert set(found.outputs) == {"boxes", "scores", "classes", "labels", "model_id"}
            for row, (numbers, score) in enumerate(zip(*planted(model), strict=True)):
                expected = np.clip(ssd.corners(ssd.Planted(5, 0, 0, 0, numbers, PLANTED_LABEL)), 0, 1)
                assert numbers_of(found, "classes")[row].tolist() == [PLANTED_LABEL]
                np.testing.assert_allclose(numbers_of(found, "scores")[row], [score], atol=1e-4)
                np.testing.assert_allclose(numbers_of(found, "boxes")[row], [expected], atol=1e-4)
            request.output_filter.extend(sorted(model.outputs))
            own_outputs = speaker.ask(PREDICT, request)
            assert set(own_outputs.outputs) == {*model.outputs, "model_id"}
            for name, values in model.outputs.items():
                np.testing.assert_allclose(numbers_of(own_outputs, name), values, rtol=1e-3, atol=1e-3)


def planted(model: Kept) -> tuple[list[tuple[float, float, float, float]], list[float]]:
    """The numbers of the box that is found in each image, and its score."""
    boxes, scores = model.outputs["boxes_5"], model.outputs["scores_5"]
    return [tuple(each[0, 0, 0].tolist()) for each in boxes], scores[:, 0, 0, 0, PLANTED_LABEL].tolist()
