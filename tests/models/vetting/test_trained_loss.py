"""The loss that a Keras file tells, and what tells none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.model_files import FileKind
from models.tasks.training import Loss
from models.vetting.file_checks import configuration_of
from models.vetting.trained_loss import trained_loss
from tests.model_files import hdf5, keras_archive

LOSS = Loss("mean_squared_error", "numbers")
FUNCTION = {"module": "builtins", "class_name": "function", "config": "mean_squared_error"}


def told_by(path: Path, kind: FileKind) -> Loss | None:
    configuration, _ = configuration_of(path, kind)
    return trained_loss(path, kind, configuration)


@pytest.mark.parametrize(
    ("loss", "found"),
    [
        ("mean_squared_error", LOSS),
        (["mean_squared_error"], LOSS),
        (FUNCTION, LOSS),
        ([[FUNCTION]], LOSS),
        (
            {"class_name": "BinaryCrossentropy", "config": {"from_logits": True}},
            Loss("BinaryCrossentropy", "yes or no"),
        ),
        ("contrastive", None),
        ({"class_name": "Contrastive"}, None),
        (["mse", "mse"], None),
        ({"age": "mse", "kind": "categorical_crossentropy"}, None),
        ({"class_name": "function", "config": {"name": "mse"}}, None),
        ({"class_name": 3}, None),
        (None, None),
        (3, None),
    ],
)
def test_the_loss_of_one_output_is_told_by_both_kinds_of_file(loss: Any, found: Loss | None, tmp_path: Path) -> None:
    path = hdf5(tmp_path / "m.h5", fill=lambda file: file.attrs.update(training_config=json.dumps({"loss": loss})))
    assert told_by(path, "hdf5") == found
    archive = keras_archive(tmp_path / "m.keras", json.dumps({"compile_config": {"loss": loss}}))
    assert told_by(archive, "keras") == found


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, b"\xff", 3])
def test_what_cannot_be_read_tells_nothing(text: Any, tmp_path: Path) -> None:
    path = hdf5(tmp_path / "m.h5", fill=lambda file: file.attrs.update(training_config=text))
    assert told_by(path, "hdf5") is None


def test_a_model_that_was_not_compiled_tells_none(tmp_path: Path) -> None:
    assert told_by(hdf5(tmp_path / "m.h5"), "hdf5") is None
    assert told_by(keras_archive(tmp_path / "m.keras"), "keras") is None
