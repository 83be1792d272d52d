"""What the files of a pattern are to the job, and what is said of those that nothing could be found out about."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import pytest

from models.registry.cache import ArtefactCache
from models.storage import LocalStorage
from models.survey import look_at, standing_of
from models.vetting import Vetter
from tests.model_files import tiny_classifier


def test_a_file_that_this_machine_cannot_vet_is_undecided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_classifier(tmp_path / "m.onnx")
    [file] = LocalStorage().list(str(tmp_path / "*.onnx"))
    (tmp_path / "onnx.py").write_text("raise ModuleNotFoundError(\"No module named 'onnx'\")")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    (tmp_path / "onnx.dist-info").mkdir()  # so that packages are installed there

    with contextlib.closing(Vetter(LocalStorage(), ArtefactCache(tmp_path / "cache"))) as vetter:
        seen = look_at(file, vetter)

    assert seen is not None
    assert standing_of(seen, live=None) == "undecided"
    assert "No module named 'onnx'" in seen.trouble
