"""Data: digits and corrections become arrays."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from studio.retraining.arrays import assemble, split_corrections, split_digits
from studio.retraining.corrections import read_corrections


def pipeline() -> Pipeline:
    """From the digits of scikit-learn and a folder of corrections to arrays, and an account of them."""
    return Pipeline(
        [
            Node(split_digits, "params:data", ["digits", "validation", "test"], name="split_digits"),
            Node(
                read_corrections,
                ["corrections", "params:data"],
                ["corrected", "left_out"],
                name="read_corrections",
            ),
            Node(split_corrections, ["corrected", "params:data"], ["seen", "unseen"], name="split_corrections"),
            Node(
                assemble,
                ["digits", "validation", "test", "seen", "unseen", "left_out"],
                ["training", "data_report"],
                name="assemble",
            ),
        ]
    )
