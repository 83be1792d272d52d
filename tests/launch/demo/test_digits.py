"""The demonstration's digits, and its files, without a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from launch.demo.__main__ import CORRUPT_MODEL_AT, SECOND_MODEL_AT
from launch.demo.digits import FEW
from launch.demo.workplace import StreamPlace
from studio.retraining.digits import HELD_OUT, SIDE, load_digits


def test_both_splits_are_digits_of_every_class_and_the_same_each_time() -> None:
    training, held_out = load_digits()
    assert held_out.pixels.shape == (HELD_OUT, SIDE, SIDE)
    assert len(training.labels) + len(held_out.labels) == 1797
    for digits in (training, held_out):
        assert digits.pixels.dtype == np.uint8
        assert digits.pixels.max() > 200 and digits.pixels.min() == 0
        assert set(digits.labels.tolist()) == set(range(10))
    assert (load_digits()[1].pixels == held_out.pixels).all()
    assert len(training.labels) > FEW


def test_every_model_lands_while_digits_do() -> None:
    assert 0 < SECOND_MODEL_AT < CORRUPT_MODEL_AT < HELD_OUT


def test_records_are_read_as_far_as_they_are_written(tmp_path: Path) -> None:
    place = StreamPlace(tmp_path)
    assert place.records("results") == []
    (tmp_path / "results.jsonl").write_bytes(b'{"a": 1}\n{"a": 2}\n{"a"')
    assert place.records("results") == [{"a": 1}, {"a": 2}]
