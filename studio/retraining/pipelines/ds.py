"""A model from the beginning: trained, reported, judged."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from studio.retraining.gate import gate
from studio.retraining.report import report
from studio.retraining.training import train


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
            report,
            ["candidate@model", "origin", "data_report", "validation", "test", "seen", "unseen"],
            "report",
            name="report",
        ),
        Node(
            gate,
            ["candidate@file", "report", "test", "unseen", "models", "params:gate"],
            "verdict",
            name="gate",
        ),
    ]
