"""What is asked of GPUs, and which processes see them. No test here needs one, and none shows what one then does."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from models.artefacts import EngineChoice
from models.confinement.starting import start_confined
from models.engines.gpus import hide_gpus
from models.engines.onnx_engine import open_session
from models.errors import ModelRejected
from models.hosting import host_process
from models.hosting.host_process import HostProcess
from models.hosting.patience import Patience
from models.vetting import child_process
from models.vetting.child_process import ChildProcess
from models.vetting.job import Job
from tests.model_files import tiny_classifier, vetted_classifier

GPU, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


def test_tensorflow_is_told_to_take_no_more_of_a_gpu_than_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environments = []

    def start(*rest: Any, **named: Any) -> Any:
        environments.append(named["environment"])
        return start_confined(*rest, **named)

    monkeypatch.setattr(host_process, "start_confined", start)
    monkeypatch.setattr(child_process, "start_confined", start)
    HostProcess(vetted_classifier(tmp_path).artefact, 1, Patience()).close()
    ChildProcess(keras=False, workspace=nullcontext(tmp_path)).close()

    assert [each["TF_FORCE_GPU_ALLOW_GROWTH"] for each in environments] == ["true", "true"]


def test_onnx_runtime_computes_on_a_gpu_unless_they_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [GPU, CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *_, providers: asked.append(providers))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")

    open_session("m.onnx")
    hide_gpus()
    open_session("m.onnx")

    assert asked == [[GPU, CPU], [CPU]]


def visible_to_the_child(choice: EngineChoice, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a real vetting child may compute on when it has read its job."""
    workspace.mkdir()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr(
        child_process,
        "start_confined",
        lambda _, *rest, **named: start_confined("tests.models.vetting.seeing_child", *rest, **named),
    )
    child = ChildProcess(keras=False, workspace=nullcontext(workspace))
    job = Job(str(tiny_classifier(workspace.with_suffix(".onnx"))), "0" * 64, "m", choice, (1,), 1 << 31, 60.0)
    try:
        with pytest.raises(ModelRejected) as told:
            child.vet(job)
    finally:
        child.close()
    return told.value.detail


def test_a_vetting_child_sees_a_gpu_only_where_it_compiles_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choices: tuple[EngineChoice, ...] = ("auto", "onnx", "tensorflow", "openvino")
    seen = {choice: visible_to_the_child(choice, tmp_path / choice, monkeypatch) for choice in choices}
    assert seen == dict.fromkeys(choices, "GPUs: 0,1") | {"openvino": "GPUs: -1"}


def test_quantizing_needs_no_gpu() -> None:
    vetted = Job("m.onnx", "0" * 64, "m", "auto", (1,), 1, 1.0)
    quantized = Job("m.onnx", "0" * 64, "m", "auto", (1,), 1, 1.0, calibration="images.npy")
    assert vetted.is_for_a_gpu
    assert not quantized.is_for_a_gpu
