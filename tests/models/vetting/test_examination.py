"""The comparison of a compiled model with the model's own answers: what differs is not served."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import helper

from models.artefacts import ONNX_FILE, EngineName
from models.engines.engine import Outputs, Predict
from models.errors import ModelFault
from models.vetting import examination
from models.vetting.examination import examine
from models.vetting.job import Job
from models.vetting.onnx_candidate import OnnxCandidate
from tests.model_files import save_onnx, tiny_classifier
from tests.models.rejections import rejection

Distortion = Callable[[NDArray[Any]], NDArray[Any]]
UNCHANGED: Distortion = lambda answers: answers  # noqa: E731
DISTORTIONS: dict[str, Distortion] = {
    "other answers": lambda answers: np.roll(answers, 1, axis=1),
    "answers off by a hundredth": lambda answers: answers + 0.01,
    "answers larger by a hundredth": lambda answers: answers * 1.01,
    "one answer of the largest batch": lambda answers: answers + 0.01 * (np.arange(len(answers)) == 3)[:, None],
    "another order": lambda answers: np.roll(answers, 1, axis=0) + np.arange(len(answers))[:, None],
    "other shape": lambda answers: answers[:, :2],
    "no numbers": lambda answers: answers * np.nan,
}


class Compiled(OnnxCandidate):
    """A model that two engines take, OpenVINO and TensorFlow, both of which are ONNX Runtime here.

    Args:
        path: of the file.
        distorted: what becomes of an engine's answers.
        slow: engines that compute each answer many times.
        own: see `Candidate.own`.
        costly: see `Candidate.costly`.
    """

    def __init__(
        self,
        path: Path,
        distorted: dict[str, Distortion],
        slow: tuple[str, ...] = (),
        own: EngineName = "onnx",
        costly: tuple[EngineName, ...] = (),
    ) -> None:
        super().__init__(path)
        self.engines = ("openvino", "tensorflow")
        self.own, self.costly = own, costly
        self._distorted = distorted
        self._slow = slow

    def compile(self, engine: EngineName, folder: Path) -> Predict:
        answer = super().compile("onnx", folder)
        (folder / f"by-{engine}").touch()
        distort = self._distorted.get(engine, UNCHANGED)

        def compiled(batch: NDArray[Any]) -> Outputs:
            for _ in range(50 if engine in self._slow else 0):
                answer(batch)
            return tuple(map(distort, answer(batch)))

        return compiled


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / "built").mkdir()
    path = tiny_classifier(tmp_path / "m.onnx")
    return Job(str(path), "0" * 64, "m", "auto", (1, 2, 4), 1 << 30, 60)


def compiled_with(monkeypatch: pytest.MonkeyPatch, distorted: dict[str, Distortion], **others: Any) -> None:
    monkeypatch.setattr(examination, "open_candidate", lambda path, *_: Compiled(path, distorted, **others))


def left_in(built: Path) -> set[str]:
    return {path.name for path in built.iterdir()}


@pytest.mark.parametrize("distort", DISTORTIONS.values(), ids=DISTORTIONS)
def test_a_compiled_form_that_answers_otherwise_gives_way_to_the_next_engine(
    distort: Distortion, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled_with(monkeypatch, {"openvino": distort}, costly=("tensorflow",))
    manifest = examine(job, tmp_path / "built")
    assert manifest.engine == "tensorflow"
    assert "openvino: outputs differ by" in manifest.engine_reason
    assert left_in(tmp_path / "built") == {ONNX_FILE, "by-tensorflow"}


@pytest.mark.parametrize("distort", DISTORTIONS.values(), ids=DISTORTIONS)
def test_a_model_that_no_engine_answers_alike_is_rejected(
    distort: Distortion, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled_with(monkeypatch, {"openvino": distort, "tensorflow": distort})
    refused = rejection(lambda: examine(job, tmp_path / "built"))
    assert refused.fault is ModelFault.UNSUPPORTED_LAYER
    assert refused.detail.count("outputs differ by") == 2
    assert not left_in(tmp_path / "built")


def test_a_difference_of_rounding_is_none(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rounding: Distortion = lambda answers: answers * np.float32(1.0001)  # noqa: E731
    compiled_with(monkeypatch, {"openvino": rounding}, costly=("tensorflow",))
    assert examine(job, tmp_path / "built").engine == "openvino"


@pytest.mark.parametrize(("slow", "fast"), [("openvino", "tensorflow"), ("tensorflow", "openvino")])
def test_of_engines_that_answer_alike_the_faster_one_serves(
    slow: EngineName, fast: EngineName, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled_with(monkeypatch, {}, slow=(slow,))
    manifest = examine(job, tmp_path / "built")
    assert manifest.engine == fast
    told = manifest.engine_reason
    assert 0 <= told.index(f"{fast} agrees within") < told.index(f"{fast} 0") < told.index(f"{slow} ")
    assert left_in(tmp_path / "built") == {ONNX_FILE, f"by-{fast}"}


@pytest.mark.parametrize("slow", [["openvino"], []])
def test_the_engine_that_computes_it_uncompiled_is_tried_only_where_it_is_faster(
    slow: list[str], job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(self: Compiled, batch: NDArray[Any]) -> Outputs:
        for _ in range(0 if slow else 50):
            self.answer(batch)
        return self.answer(batch)

    monkeypatch.setattr(OnnxCandidate, "run", run)
    compiled_with(monkeypatch, {}, slow=tuple(slow), own="tensorflow")

    assert examine(job, tmp_path / "built").engine == ("tensorflow" if slow else "openvino")


def test_the_engine_that_was_asked_for_serves_however_slow(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled_with(monkeypatch, {}, slow=("tensorflow",))
    assert examine(replace(job, choice="tensorflow"), tmp_path / "built").engine == "tensorflow"


@pytest.mark.parametrize("axes", [[0], [0, 1, 2, 3]], ids=["one row for all", "one number for all"])
def test_a_model_that_does_not_answer_each_image_is_rejected(axes: list[int], job: Job, tmp_path: Path) -> None:
    mean = helper.make_node("ReduceMean", ["image"], ["scores"], axes=axes, keepdims=int(len(axes) == 1))
    save_onnx(Path(job.path), [mean], ["n", 8, 8, 3], [1, 8, 8, 3] if len(axes) == 1 else [])

    refused = rejection(lambda: examine(job, tmp_path / "built"))

    assert refused.fault is ModelFault.WRONG_OUTPUT
    assert "each image needs a row of its own" in refused.detail


def undecided(path: Path, threshold: float) -> None:
    """A model that changes its mind by rounding alone on images with pixels brighter than a threshold."""
    constants = {"threshold": np.array(threshold, np.float32), "steep": np.array(1e9, np.float32)}
    nodes = [
        helper.make_node("Sub", ["image", "threshold"], ["over"]),
        helper.make_node("Relu", ["over"], ["bright"]),
        helper.make_node("Mul", ["bright", "steep"], ["large"]),
        helper.make_node("Sin", ["large"], ["waves"]),
        helper.make_node("ReduceMean", ["waves"], ["scores"], axes=[1, 2], keepdims=0),
    ]
    save_onnx(path, nodes, ["n", 8, 8, 3], ["n", 3], constants)


def torn(path: Path) -> None:
    """A model that gives one of two answers, by rounding alone, to images that are not black."""
    nodes = [
        helper.make_node("Sub", ["image", "dark"], ["over"]),
        helper.make_node("Relu", ["over"], ["bright"]),
        helper.make_node("ReduceMean", ["bright"], ["brightness"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["brightness", "steep"], ["large"]),
        helper.make_node("Sin", ["large"], ["wave"]),
        helper.make_node("Sign", ["wave"], ["either"]),
        helper.make_node("Unsqueeze", ["either", "last"], ["one"]),
        helper.make_node("Concat", ["one", "one", "one"], ["scores"], axis=1),
    ]
    constants: dict[str, NDArray[Any]] = {
        "dark": np.array(0.1, np.float32),
        "steep": np.array(1e12, np.float32),
        "last": np.array([1], np.int64),
    }
    save_onnx(path, nodes, ["n", 8, 8, 3], ["n", 3], constants)


BLACK = np.array([True, False, False, False])
"""Which of the images of a batch of four are; of three batches it is the first of each."""


@pytest.mark.parametrize(
    ("threshold", "wrong", "engine"),
    [(0.5, ~BLACK, "openvino"), (0.5, BLACK, "tensorflow"), (-1.0, ~BLACK, "tensorflow")],
    ids=["wrong where it tells nothing", "wrong where it tells", "nearly nothing tells"],
)
def test_images_on_which_rounding_changes_the_models_mind_tell_nothing_of_an_engine(
    threshold: float,
    wrong: NDArray[np.bool_],
    engine: EngineName,
    job: Job,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    undecided(Path(job.path), threshold)
    shifted: Distortion = lambda answers: answers + wrong[: len(answers), None] * np.float32(0.5)  # noqa: E731
    compiled_with(monkeypatch, {"openvino": shifted}, costly=("tensorflow",))

    assert examine(job, tmp_path / "built").engine == engine


@pytest.mark.parametrize(("wrong", "engine"), [(~BLACK, "openvino"), (BLACK, "tensorflow")])
def test_so_do_images_on_which_it_is_torn_between_two_answers(
    wrong: NDArray[np.bool_], engine: EngineName, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torn(Path(job.path))
    opposite: Distortion = lambda answers: np.where(wrong[: len(answers), None], 1 - answers, answers)  # noqa: E731
    compiled_with(monkeypatch, {"openvino": opposite}, costly=("tensorflow",))

    manifest = examine(job, tmp_path / "built")
    assert manifest.engine == engine
    assert f"{engine} agrees within 0.0e+00" in manifest.engine_reason


def steep(path: Path) -> None:
    """A model whose first answer is a thousand times a brightness, and whose others rounding moves a little."""
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "last"], ["means"]),
        helper.make_node("Mul", ["means", "steep"], ["phase"]),
        helper.make_node("Sin", ["phase"], ["wave"]),
        helper.make_node("Mul", ["wave", "high"], ["waves"]),
        helper.make_node("Mul", ["means", "large"], ["brightness"]),
        helper.make_node("Concat", ["brightness", "waves", "waves"], ["scores"], axis=1),
    ]
    constants: dict[str, NDArray[Any]] = {
        "steep": np.array(1e5, np.float32),
        "high": np.array(10, np.float32),
        "large": np.array(1000, np.float32),
        "last": np.array([1], np.int64),
    }
    save_onnx(path, nodes, ["n", 8, 8, 3], ["n", 3], constants)


@pytest.mark.parametrize(("off", "engine"), [(0.02, "openvino"), (5.0, "tensorflow")])
def test_an_engine_may_lie_as_far_from_the_model_as_that_from_itself(
    off: float, engine: EngineName, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steep(Path(job.path))
    wrong = np.array([0, off, off], np.float32)
    moved: Distortion = lambda answers: answers + ~BLACK[: len(answers), None] * wrong  # noqa: E731
    compiled_with(monkeypatch, {"openvino": moved}, costly=("tensorflow",))

    assert examine(job, tmp_path / "built").engine == engine


def brightness(path: Path, in_8_bits: bool) -> None:
    """A model whose answer to each image is its brightness, a thousand times as large and 0 for a grey image."""
    constants: dict[str, NDArray[Any]] = {
        "scale": np.array(1 / 200, np.float32),
        "zero": np.array(0, np.uint8),
        "grey": np.array(0.5, np.float32),
        "large": np.full(3, 1000, np.float32),
    }
    steps = [
        helper.make_node("QuantizeLinear", ["image", "scale", "zero"], ["bytes"]),
        helper.make_node("DequantizeLinear", ["bytes", "scale", "zero"], ["pixels"]),
    ]
    nodes = [
        *(steps if in_8_bits else [helper.make_node("Identity", ["image"], ["pixels"])]),
        helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "last"], ["means"]),
        helper.make_node("Sub", ["means", "grey"], ["from_grey"]),
        helper.make_node("Mul", ["from_grey", "large"], ["scores"]),
    ]
    save_onnx(path, nodes, ["n", 8, 8, 3], ["n", 3], constants | {"last": np.array([1], np.int64)})


@pytest.mark.parametrize(
    ("in_8_bits", "off", "engine"),
    [(True, 0.15, "openvino"), (True, 5.0, "tensorflow"), (False, 0.15, "tensorflow")],
    ids=["within its steps", "beyond its steps", "without steps"],
)
def test_an_engine_may_round_the_steps_of_a_model_in_8_bits_otherwise(
    in_8_bits: bool, off: float, engine: EngineName, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brightness(Path(job.path), in_8_bits)
    shifted: Distortion = lambda answers: answers + np.float32(off)  # noqa: E731
    compiled_with(monkeypatch, {"openvino": shifted}, costly=("tensorflow",))

    assert examine(job, tmp_path / "built").engine == engine
