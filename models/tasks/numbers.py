"""A model's numbers as they are."""

from __future__ import annotations

from models.artefacts import Manifest
from models.engines.engine import Outputs
from models.tasks.prediction import Numbers
from models.tasks.scores import finite


def tell(outputs: Outputs, manifest: Manifest) -> Numbers:
    """The numbers of each output, in the order of its rows.

    Raises:
        ImageError: `non_finite_output`.
    """
    named = zip(manifest.outputs, outputs, strict=True)
    return Numbers({spec.name: tuple(finite(output).reshape(-1).tolist()) for spec, output in named})
