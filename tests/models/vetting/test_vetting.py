"""Vetting by real child processes, of what ONNX Runtime is enough for: a child takes about a second."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from models.artefacts import MANIFEST
from models.errors import ModelFault
from models.reference import ModelReference
from models.registry.cache import ArtefactCache
from models.storage import LocalStorage
from models.storage.errors import StorageUnavailable
from models.vetting import Vetter, VettingLimits
from models.vetting import vetter as vetting_module
from models.vetting.vetter import memory_for
from tests import model_files
from tests.model_files import cut, tiny_classifier
from tests.models.rejections import rejection
from tests.models.vetting.processes import children


@pytest.mark.parametrize(
    ("make", "task"),
    [
        (tiny_classifier, "classification"),
        (model_files.regression, "regression"),
        (model_files.raw, "raw"),
        (lambda path: tiny_classifier(path, channels_first=True), "classification"),
    ],
    ids=["classifier", "regression", "raw", "channels first"],
)
def test_a_good_onnx_model_is_accepted(make: Callable[[Path], Path], task: str, tmp_path: Path, vetter: Vetter) -> None:
    vetted = vetter.vet(str(make(tmp_path / "m.onnx")))
    assert vetted.artefact.manifest.card.task == task
    assert vetted.name == "m"


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (model_files.nan_output, ModelFault.NON_FINITE_OUTPUT),
        (model_files.random_output, ModelFault.UNSTABLE_OUTPUT),
        (model_files.takes_100_gigabytes, ModelFault.TOO_LARGE),
        (model_files.custom_operator, ModelFault.UNSUPPORTED_LAYER),
        (model_files.external_data, ModelFault.UNSAFE_CODE),
        (model_files.two_inputs, ModelFault.WRONG_INPUT),
        (model_files.takes_text, ModelFault.WRONG_INPUT),
        (lambda path: tiny_classifier(path, card={"input": {"height": 9}}), ModelFault.WRONG_INPUT),
        (lambda path: tiny_classifier(path, card={"labels": ["only one"]}), ModelFault.LABELS_MISMATCH),
        (lambda path: tiny_classifier(path, card={"labls": []}), ModelFault.BAD_CARD),
        (lambda path: tiny_classifier(path, card="{"), ModelFault.BAD_CARD),
        (lambda path: cut(path, tiny_classifier(path), 0.6), ModelFault.TRUNCATED),
        (lambda path: path.write_bytes(b"\x08\x09") and path, ModelFault.TRUNCATED),
    ],
    ids=lambda value: value.value if isinstance(value, ModelFault) else "",
)
def test_a_bad_model_is_rejected_with_a_fitting_word(
    make: Callable[[Path], Path], fault: ModelFault, tmp_path: Path, vetter: Vetter
) -> None:
    assert rejection(lambda: vetter.vet(str(make(tmp_path / "m.onnx")))).fault is fault


def test_a_model_that_never_returns_is_ended(tmp_path: Path, shared_cache: ArtefactCache) -> None:
    vetter = Vetter(LocalStorage(), shared_cache, limits=VettingLimits(seconds=6))
    refused = rejection(lambda: vetter.vet(str(model_files.never_returns(tmp_path / "m.onnx"))))
    assert refused.fault is ModelFault.TIMED_OUT
    assert not children()


def test_memory_over_the_limit_is_refused_before_it_is_taken(tmp_path: Path, shared_cache: ArtefactCache) -> None:
    vetter = Vetter(LocalStorage(), shared_cache, limits=VettingLimits(memory_bytes=1 << 30))
    refused = rejection(lambda: vetter.vet(str(takes_memory(tmp_path / "m.onnx", 3_000_000_000))))
    assert refused.fault is ModelFault.TOO_LARGE
    assert "vetting it took too much memory, two images at a time too: a batch of 1 took" in refused.detail


def test_what_takes_too_much_in_large_batches_is_vetted_in_small_ones(
    tmp_path: Path, shared_cache: ArtefactCache, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    limits = VettingLimits(memory_bytes=1 << 30)
    with contextlib.closing(Vetter(LocalStorage(), shared_cache, "onnx", 16, limits)) as vetter:
        vetted = vetter.vet(str(takes_memory(tmp_path / "m.onnx", 200 << 20)))

    assert vetted.artefact.manifest.outputs[0].shape == (3,)
    assert vetted.artefact.manifest.memory < 1 << 30
    assert "vetting took too much memory (a batch of 16 took more than it may)" in caplog.text


def test_what_a_machine_cannot_hold_is_too_large_to_serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tiny_classifier(tmp_path / "m.onnx")
    monkeypatch.setattr(vetting_module, "machine_bytes", lambda: 2 * path.stat().st_size - 1)
    with contextlib.closing(Vetter(LocalStorage(), ArtefactCache(tmp_path / "cache"))) as vetter:
        refused = rejection(lambda: vetter.vet(str(path)))
    assert refused.fault is ModelFault.TOO_LARGE
    assert refused.detail.startswith("the model is too large to serve")


@pytest.mark.parametrize(
    ("file", "machine", "allowed"),
    [(100 << 20, 64 << 30, 16 << 30), (100 << 20, 8 << 30, (2 << 30) + (300 << 20)), (1 << 30, 4 << 30, 3 << 30)],
    ids=["a quarter of a large machine", "what the file needs", "three quarters of a small machine"],
)
def test_what_vetting_may_take_follows_the_file_and_the_machine(file: int, machine: int, allowed: int) -> None:
    assert memory_for(file, machine) == allowed


def takes_memory(path: Path, each: int) -> Path:
    """Spreads each image over so many bytes before it answers."""
    constants = {"wide": np.array([1, 1, 1, 1, each // (8 * 8 * 3 * 4)], np.int64), "last": np.array([4], np.int64)}
    nodes = [
        helper.make_node("Unsqueeze", ["image", "last"], ["deep"]),
        helper.make_node("Expand", ["deep", "wide"], ["large"]),
        helper.make_node("ReduceMean", ["large"], ["scores"], axes=[1, 2, 4], keepdims=0),
    ]
    return model_files.save_onnx(path, nodes, model_files.IMAGE, ["n", 3], constants)


def test_a_file_over_the_limit_is_not_read_to_its_end(tmp_path: Path, shared_cache: ArtefactCache) -> None:
    vetter = Vetter(LocalStorage(), shared_cache, limits=VettingLimits(file_bytes=1000))
    refused = rejection(lambda: vetter.vet(str(tiny_classifier(tmp_path / "m.onnx"))))
    assert (refused.fault, refused.model_id) == (ModelFault.TOO_LARGE, None)


def test_the_same_bytes_are_vetted_once_under_whatever_name(tmp_path: Path, vetter: Vetter) -> None:
    first = vetter.vet(str(tiny_classifier(tmp_path / "first.onnx", classes=4)))
    again = vetter.vet(str((tmp_path / "first.onnx").rename(tmp_path / "again.onnx")))
    assert again.artefact.folder == first.artefact.folder
    assert (first.name, again.name) == ("first", "again")


def test_the_worker_loads_only_the_bytes_that_were_vetted(tmp_path: Path, vetter: Vetter) -> None:
    path = tiny_classifier(tmp_path / "m.onnx", favours=0)
    vetted = vetter.vet(str(path))
    tiny_classifier(path, favours=2)
    assert vetter.obtain(vetted.reference).artefact.folder == vetted.artefact.folder
    gone = ModelReference(str(path), "0" * 64)
    refused = rejection(lambda: vetter.obtain(gone))
    assert (refused.fault, refused.model_id) == (ModelFault.CHANGED_WHILE_READING, gone.model_id)


def test_a_verdict_about_other_bytes_is_not_believed(
    tmp_path: Path, vetter: Vetter, monkeypatch: pytest.MonkeyPatch
) -> None:
    vetted = vetter.vet(str(tiny_classifier(tmp_path / "m.onnx")))
    manifest = vetted.artefact.folder / MANIFEST
    liar = tmp_path / "python"
    liar.write_text(f"#!/bin/sh\nexec '{sys.executable}' -m tests.models.vetting.lying_child '{manifest}'\n")
    liar.chmod(0o700)

    monkeypatch.setattr(sys, "executable", str(liar))
    other = tiny_classifier(tmp_path / "other.onnx", classes=9)
    with contextlib.closing(Vetter(LocalStorage(), ArtefactCache(tmp_path / "cache"))) as deceived:
        assert rejection(lambda: deceived.vet(str(other))).fault is ModelFault.CRASHED


class _Troubled:
    """A storage whose files break off after some bytes."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self._reads = 0

    def list(self, pattern: str) -> list[Any]:
        return []

    def open(self, uri: str) -> _Troubled:
        return self

    def read(self, size: int, /) -> bytes:
        self._reads += 1
        if self._reads > 1:
            raise self._error
        return b"\x89HDF"

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (StorageUnavailable("503"), StorageUnavailable),
        (OSError(5, "Input/output error"), StorageUnavailable),
        (FileNotFoundError("gone mid-download"), FileNotFoundError),
    ],
)
def test_storage_trouble_is_no_verdict(raised: Exception, told: type[Exception], shared_cache: ArtefactCache) -> None:
    with pytest.raises(told):
        Vetter(_Troubled(raised), shared_cache).vet("gs://b/m.h5")
    assert not list(shared_cache.folder.glob(".work-*"))


def test_an_odd_suffix_does_no_harm(tmp_path: Path, vetter: Vetter) -> None:
    vetter.vet(str(tiny_classifier(tmp_path / "m.onnx")))
    path = (tmp_path / "m.onnx").rename(tmp_path / ("m." + "x" * 250))
    assert vetter.vet(str(path)).name == "m"


def test_a_model_of_more_numbers_than_results_may_tell_is_rejected_also_where_it_is_compiled_already(
    tmp_path: Path, shared_cache: ArtefactCache
) -> None:
    path = model_files.raw(tmp_path / "m.onnx")
    with contextlib.closing(Vetter(LocalStorage(), shared_cache, max_values=192)) as vetter:
        reference = vetter.vet(str(path)).reference
    with contextlib.closing(Vetter(LocalStorage(), shared_cache, max_values=191)) as vetter:
        for again in (lambda: vetter.vet(str(path)), lambda: vetter.obtain(reference)):
            refused = rejection(again)
            assert refused.fault is ModelFault.WRONG_OUTPUT
            assert "192 numbers an image, and --max_values allows 191" in refused.detail
            assert refused.model_id == reference.model_id


def test_class_scores_are_not_numbers_that_a_result_tells(tmp_path: Path, shared_cache: ArtefactCache) -> None:
    with contextlib.closing(Vetter(LocalStorage(), shared_cache, max_values=1)) as vetter:
        assert vetter.vet(str(tiny_classifier(tmp_path / "m.onnx"))).artefact.manifest.numbers == 3
