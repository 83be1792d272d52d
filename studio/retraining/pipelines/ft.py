"""The live model, tuned: most of it frozen, then reported and judged."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from studio.retraining.parents import take_parent
from studio.retraining.pipelines.ds import judged
from studio.retraining.tuning import tune


def pipeline() -> Pipeline:
    """From arrays and the live model to a verdict."""
    return Pipeline(
        [
            Node(take_parent, "models", ["parent", "parent_id"], name="take_parent"),
            Node(
                tune,
                ["parent", "parent_id", "digits", "seen", "params:tuning"],
                ["candidate@model", "origin"],
                name="tune",
            ),
            *judged(),
        ]
    )
