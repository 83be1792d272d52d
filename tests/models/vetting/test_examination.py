"""The comparison of a compiled model with the model's own answers: what differs is not served."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import helper

from models.artefacts import ONNX_FILE, EngineName
from models.errors import ModelFault
from models.vetting import examination
from models.vetting.candidate import Predict
from models.vetting.examination import examine
from models.vetting.job import Job
from models.vetting.onnx_candidate import OnnxCandidate
from tests.model_files import save_onnx, tiny_classifier
from tests.models.rejections import rejection

Distortion = Callable[[NDArray[Any]], NDArray[Any]]
DISTORTIONS: dict[str, Distortion] = {
    "other answers": lambda answers: np.roll(answers, 1, axis=1),
    "answers off by a hundredth": lambda answers: answers + 0.01,
    "answers larger by a hundredth": lambda answers: answers * 1.01,
    "one answer of the largest batch": lambda answers: answers + 0.01 * (np.arange(len(answers)) == 3)[:, None],
    "another order": lambda answers: np.roll(answers, 1, axis=0) + np.arange(len(answers))[:, None],
    "other shape": lambda answers: answers[:, :2],
    "no numbers": lambda answers: answers * np.nan,
}


class Miscompiled(OnnxCandidate):
    """A model that two engines take; what the distorted ones compile does not answer as the model does."""

    engines: tuple[EngineName, ...] = ("onnx", "tensorflow")

    def __init__(self, path: Path, distorted: dict[str, Distortion]) -> None:
        super().__init__(path)
        self._distorted = distorted

    def compile(self, engine: EngineName, folder: Path) -> Predict:
        answer = super().compile(engine, folder)
        (folder / f"by-{engine}").touch()
        distort = self._distorted.get(engine)
        return (lambda batch: distort(answer(batch))) if distort else answer


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / "built").mkdir()
    path = tiny_classifier(tmp_path / "m.onnx")
    return Job(str(path), "0" * 64, "m", "auto", (1, 2, 4), 1 << 30, 60)


def compiled_with(monkeypatch: pytest.MonkeyPatch, **distorted: Distortion) -> None:
    monkeypatch.setattr(examination, "open_candidate", lambda path, *_: Miscompiled(path, distorted))


@pytest.mark.parametrize("distort", DISTORTIONS.values(), ids=DISTORTIONS)
def test_a_compiled_form_that_answers_otherwise_gives_way_to_the_next_engine(
    distort: Distortion, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled_with(monkeypatch, onnx=distort)
    manifest = examine(job, tmp_path / "built")
    assert manifest.engine == "tensorflow"
    assert "onnx: outputs differ by" in manifest.engine_reason
    assert {path.name for path in (tmp_path / "built").iterdir()} == {ONNX_FILE, "by-tensorflow"}


@pytest.mark.parametrize("distort", DISTORTIONS.values(), ids=DISTORTIONS)
def test_a_model_that_no_engine_answers_alike_is_rejected(
    distort: Distortion, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled_with(monkeypatch, onnx=distort, tensorflow=distort)
    refused = rejection(lambda: examine(job, tmp_path / "built"))
    assert refused.fault is ModelFault.UNSUPPORTED_LAYER
    assert refused.detail.count("outputs differ by") == 2
    assert not list((tmp_path / "built").iterdir())


def test_a_difference_of_rounding_is_none(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled_with(monkeypatch, onnx=lambda answers: answers * np.float32(1.0001))
    assert examine(job, tmp_path / "built").engine == "onnx"


@pytest.mark.parametrize("axes", [[0], [0, 1, 2, 3]], ids=["one row for all", "one number for all"])
def test_a_model_that_does_not_answer_each_image_is_rejected(axes: list[int], job: Job, tmp_path: Path) -> None:
    mean = helper.make_node("ReduceMean", ["image"], ["scores"], axes=axes, keepdims=int(len(axes) == 1))
    save_onnx(Path(job.path), [mean], ["n", 8, 8, 3], [1, 8, 8, 3] if len(axes) == 1 else [])

    refused = rejection(lambda: examine(job, tmp_path / "built"))

    assert refused.fault is ModelFault.WRONG_OUTPUT
    assert "each image needs a row of its own" in refused.detail
