"""One file of the zoo: saved by its framework, vetted as the job would, and asked."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.zoo.saving import at_best, together
from models.artefacts import EngineChoice, Vetted
from models.compute_threads import cores
from models.engines.loading import load_engine
from models.errors import ModelRejected
from models.images.decoding import Raster
from models.images.model_input import model_input
from models.registry.cache import ArtefactCache
from models.storage import LocalStorage
from models.vetting import Vetter

LARGEST_DIFFERENCE = 1e-3
"""From class scores of the framework's own."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How an architecture is saved.

    Attributes:
        version: of Keras, `2` or `3`.
        suffix: of the file.
    """

    version: str
    suffix: str

    def __str__(self) -> str:
        return f"Keras {self.version} {self.suffix}"


@dataclass(frozen=True, slots=True)
class Visit:
    """What became of one file.

    Attributes:
        architecture: as `keras.applications` calls it.
        kind: how it was saved.
        file_bytes: its size.
        verdict: `accepted`, or why not.
        engine: what serves it; "" where nothing does.
        reason: why this engine.
        difference: the largest from the framework's own answers to two photographs; class scores are 0..1.
        scaled_by_itself: whether it gets pixels 0..255.
        vetting_seconds: in an idle machine's vetting child.
        vetting_bytes: memory beyond the libraries, at its peak.
        alone: seconds of one image.
        batched: seconds of an image in a batch of `batch`.
        own_alone: seconds of one image in the framework's own compiled graph.
        own_batched: seconds of an image in a batch of `batch` there.
        batch: how many images that is.
    """

    architecture: str
    kind: str
    file_bytes: int = 0
    verdict: str = "accepted"
    engine: str = ""
    reason: str = ""
    difference: float = 0.0
    scaled_by_itself: bool = False
    vetting_seconds: float = 0.0
    vetting_bytes: int = 0
    alone: float = 0.0
    batched: float = 0.0
    own_alone: float = 0.0
    own_batched: float = 0.0
    batch: int = 0

    @property
    def allowed_bytes(self) -> int:
        """What vetting may take: 2 GiB and three times the file."""
        return (2 << 30) + 3 * self.file_bytes

    @property
    def is_good(self) -> bool:
        """Whether it is accepted, frugally, and answers as in its framework."""
        return (
            self.verdict == "accepted"
            and self.difference <= LARGEST_DIFFERENCE
            and self.vetting_bytes <= self.allowed_bytes
        )


def visit(architecture: str, kind: Kind, engine: EngineChoice) -> Visit:
    """Saves an architecture, vets the file, and compares and times what is answered.

    Raises:
        RuntimeError: its own framework could not save it.
    """
    with tempfile.TemporaryDirectory(prefix="hotswap-zoo-") as folder:
        path = Path(folder) / f"{architecture}{kind.suffix}"
        _save(architecture, kind, path)
        size = path.stat().st_size
        with contextlib.closing(Vetter(LocalStorage(), ArtefactCache(Path(folder) / "cache"), engine)) as vetter:
            try:
                vetted = vetter.vet(str(path))
            except ModelRejected as rejection:
                return Visit(architecture, str(kind), size, str(rejection))
        return _asked(architecture, kind, size, vetted, path.with_suffix(".npz"))


def _save(architecture: str, kind: Kind, path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.zoo.saving", kind.version, architecture, str(path)]
    done = subprocess.run(
        command, env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{architecture} could not be saved: {done.stderr.strip()[-1000:]}")


def _asked(architecture: str, kind: Kind, size: int, vetted: Vetted, told: Path) -> Visit:
    manifest = vetted.artefact.manifest
    engine = load_engine(vetted.artefact, cores())
    with np.load(told) as saved:
        images, answers, own = saved["images"], saved["answers"], saved["seconds"]
    batch = model_input([Raster(image) for image in images], manifest)
    scaled_by_itself = manifest.card.input.scale == 1
    (found,) = engine.predict(batch)
    many = together(batch[0].nbytes)
    return Visit(
        architecture,
        str(kind),
        size,
        engine=manifest.engine,
        reason=manifest.engine_reason,
        difference=float(np.abs(found - answers[int(scaled_by_itself)]).max()),
        scaled_by_itself=scaled_by_itself,
        vetting_seconds=manifest.seconds,
        vetting_bytes=manifest.memory,
        alone=_seconds(engine, batch[:1]),
        batched=_seconds(engine, np.repeat(batch[:1], many, axis=0)),
        own_alone=float(own[0]),
        own_batched=float(own[1]),
        batch=many,
    )


def _seconds(engine: Any, batch: Any) -> float:
    return at_best(lambda: engine.predict(batch)) / len(batch)
