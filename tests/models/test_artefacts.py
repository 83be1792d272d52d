"""A manifest is read as a stranger's: whoever took a vetting child over writes what it likes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.artefacts import Manifest
from tests.model_files import vetted_classifier

Json = dict[str, Any]
LIES: dict[str, Callable[[Json], object]] = {
    "objects in the memory of the job": lambda told: told.update(input_dtype="O"),
    "texts for images": lambda told: told.update(input_dtype="U1"),
    "an engine that is none": lambda told: told.update(engine="pickle"),
    "images larger than any": lambda told: told["card"]["input"].update(height=30_000, width=30_000),
    "a shape that its images do not fill": lambda told: told.update(input_shape=[8, 8, 300]),
    "a shape of nothing that counts": lambda told: told.update(input_shape=[-8, -8, 3]),
    "a shape of texts": lambda told: told.update(input_shape=["8", "8", "3"]),
    "no outputs": lambda told: told.update(outputs=[]),
    "more numbers than there can be": lambda told: told["outputs"][0].update(shape=[1 << 40]),
    "fewer than none": lambda told: told["outputs"][0].update(shape=[-1]),
    "a task that is none": lambda told: told["card"].update(task="nonsense"),
    "labels that are no texts": lambda told: told["card"].update(labels=[{"a": 1}]),
    "a name that is none": lambda told: told["card"].update(name=["x"]),
    "a name that writes in terminals": lambda told: told["card"].update(name="\x1b[31m"),
    "memory that is no number": lambda told: told.update(memory="much"),
    "more memory than there is": lambda told: told.update(memory=10**30),
    "time that never ends": lambda told: told.update(seconds=float("inf")),
    "a digest that leads elsewhere": lambda told: told.update(sha256="../../somewhere"),
    "another version": lambda told: told.update(format=0),
    "nothing of a card": lambda told: told.update(card=None),
}


@pytest.fixture
def told(tmp_path: Path) -> Json:
    manifest: Json = json.loads(json.dumps(vetted_classifier(tmp_path).artefact.manifest.to_json()))
    return manifest


def test_what_is_true_is_read_as_it_was_written(told: Json, tmp_path: Path) -> None:
    assert Manifest.from_json(told) == vetted_classifier(tmp_path).artefact.manifest


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_no_manifest(told: Json, lie: str) -> None:
    LIES[lie](told)
    with pytest.raises((KeyError, TypeError, ValueError)):
        Manifest.from_json(told)


def test_what_would_write_in_terminals_is_shown_instead(told: Json) -> None:
    told.update(engine_reason="fast\x1b]0;x\x07\nforged", notes=["\x1b[31mred"])
    read = Manifest.from_json(told)
    assert read.engine_reason.isprintable()
    assert all(note.isprintable() for note in read.notes)
