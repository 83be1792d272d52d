"""A model from the beginning: trained, reported, judged."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from studio.retraining.gate import gate
from studio.retraining.report import report
from studio.retraining.training import train
from studio.retraining.variants import fresh_variants


def pipeline() -> Pipeline:
    """From arrays to a verdict; what is trained begins with nothing."""
    return Pipeline(
        [
            Node(
                train,
                ["training", "validation", "params:training"],
                ["candidate@model", "origin"],
                name="train",
            ),
            *judged(),
        ]
    )


def judged() -> list[Node]:
    """How any candidate ends: what it knows is counted, then it is published or not."""
    return [
        Node(
            fresh_variants,
            ["seen", "params:gate", "params:tuning.variants"],
            "variants",
            name="draw_variants",
        ),
        Node(
            report,
            ["candidate@model", "origin", "data_report", "validation", "test", "seen", "unseen", "variants"],
            "report",
            name="report",
        ),
        Node(
            gate,
            ["candidate@file", "report", "test", "unseen", "variants", "models", "params:gate"],
            "verdict",
            name="gate",
        ),
    ]
