"""What tests of the shelf share: the stream's own watching, model files, and what came of an upload."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from beam_pipeline.option_table import JobOptions
from models.reference import sha256_of
from models.serving import Serving
from models.storage.schemes import AnyStorage
from studio.places import Places
from studio.shelf.shelf import ModelShelf
from tests.model_files import tiny_classifier
from tests.waiting import eventually


def drop(places: Places, file: str, favours: int = 1, /, *, age: float = 0.0, **card: object) -> str:
    """A model in the folder, modified `age` seconds ago; its model_id."""
    path = tiny_classifier(places.models / file, favours=favours, card=card or None)
    os.utime(path, (time.time() - age,) * 2)
    return id_of(path)


def id_of(path: Path) -> str:
    return f"{path}@sha256:{sha256_of(path)[:12]}"


@contextlib.contextmanager
def stream(places: Places) -> Iterator[Serving]:
    """What the stream's job watches models by: its own options, with the defaults that they have."""
    options = JobOptions(
        model_pattern=f"{places.models}/*", registry=str(places.registry), model_poll_seconds=0.05, output_path="-"
    )
    with contextlib.closing(Serving(options.serving, AnyStorage())) as serving:
        yield serving


def goes_live(serving: Serving, model_id: str) -> None:
    eventually(
        lambda: (now := serving.watch.statement) is not None and now.reference.model_id == model_id, f"{model_id} live"
    )


def standings(shelf: ModelShelf) -> dict[str, str]:
    """By file name, in the order in which they are told."""
    return {each["file"]: each["standing"] for each in shelf.models()["models"]}


def vetted(shelf: ModelShelf, upload: str) -> dict[str, Any]:
    """An upload once its vetting has ended."""

    def look() -> dict[str, Any] | None:
        told = shelf.upload(upload)
        return told if told["state"] != "vetting" else None

    told = eventually(look, "the upload to be vetted", seconds=180)
    assert told is not None
    return told
