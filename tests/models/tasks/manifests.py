"""Manifests of models whose answers tests make up."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.artefacts import Manifest, OutputSpec
from models.card import Card, InputSpec, Task
from models.images.decoding import Raster
from models.tasks import Prediction, interpret

IMAGE = Raster(np.zeros((8, 8, 3), np.uint8))
SPEC = InputSpec(8, 8)


def manifest_of(task: Task, outputs: dict[str, tuple[int, ...]], spec: InputSpec = SPEC, **card: Any) -> Manifest:
    """What vetting would leave of a model with these outputs."""
    labels = tuple(card.pop("labels", ()))
    said = Card("m", "", labels, task, spec, **card)
    specs = tuple(OutputSpec(name, shape) for name, shape in outputs.items())
    return Manifest("0" * 64, "onnx", "", said, (8, 8, 3), "float32", specs, 0.0)


def meaning(
    task: Task, outputs: dict[str, NDArray[Any]], image: Raster = IMAGE, spec: InputSpec = SPEC, **card: Any
) -> Prediction:
    """What a model means by the `outputs` to one image."""
    shapes = {name: output.shape for name, output in outputs.items()}
    return interpret(tuple(outputs.values()), manifest_of(task, shapes, spec, **card), image)


def told(task: Task, *outputs: Any, **card: Any) -> dict[str, Any]:
    """The fields of a result for these outputs."""
    return meaning(task, {f"out{i}": np.asarray(output) for i, output in enumerate(outputs)}, **card).to_json()
