"""Of boxes that overlap the best remains, as plain Python finds it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.tasks.suppression import best_of_overlapping


def overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Intersection over union of two boxes (x_min, y_min, x_max, y_max)."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    both = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1])
    return shared / (both - shared) if both > shared else 0.0


def plainly(
    boxes: NDArray[np.float64], scores: NDArray[np.float64], iou: float, threshold: float, most: int
) -> set[tuple[int, int]]:
    kept = set()
    for label, row in enumerate(scores):
        best: list[int] = []
        for box in sorted(range(len(boxes)), key=lambda each: -row[each]):
            clear = all(overlap(boxes[box], boxes[other]) <= iou for other in best)
            if row[box] >= threshold and clear and len(best) < most:
                best.append(box)
        kept |= {(label, box) for box in best}
    return kept


def found(*arguments: object) -> set[tuple[int, int]]:
    classes, boxes = best_of_overlapping(*arguments)  # type: ignore[arg-type]
    return set(zip(classes.tolist(), boxes.tolist(), strict=True))


@given(st.integers(0, 40), st.integers(1, 4), st.integers(0, 2**32 - 1), st.sampled_from([0.1, 0.3, 0.45, 0.5, 0.8]))
@settings(deadline=None, max_examples=200)
def test_it_is_as_plain_python_finds_it(number: int, classes: int, seed: int, iou: float) -> None:
    chance = np.random.default_rng(seed)
    corner = chance.random((number, 2)) * 0.6
    boxes = np.concatenate([corner, corner + 0.1 + 0.3 * chance.random((number, 2))], axis=1).astype(np.float32)
    scores = chance.permutation(number * classes).reshape(classes, number) / max(1, number * classes)
    arguments = boxes.astype(np.float64), scores, iou, 0.3, 5
    assert found(*arguments) == plainly(*arguments)


def test_what_reaches_the_threshold_counts() -> None:
    boxes = np.array([[0.0, 0.0, 0.2, 0.2], [0.5, 0.5, 0.9, 0.9]])
    assert found(boxes, np.array([[0.5, 0.4999]]), 0.5, 0.5, 9) == {(0, 0)}


def test_without_boxes_none_remains() -> None:
    assert found(np.empty((0, 4)), np.empty((3, 0)), 0.5, 0.5, 9) == set()


def test_boxes_of_different_classes_do_not_suppress_each_other() -> None:
    boxes = np.array([[0.0, 0.0, 0.5, 0.5]] * 2)
    assert found(boxes, np.array([[0.9, 0.0], [0.0, 0.8]]), 0.5, 0.5, 9) == {(0, 0), (1, 1)}


def test_threads_may_ask_side_by_side() -> None:
    chance = np.random.default_rng(2)
    boxes = np.sort(chance.random((50, 2, 2)), axis=1).reshape(50, 4)
    arguments = boxes, chance.random((3, 50)), 0.4, 0.2, 20
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: found(*arguments), range(64)))
    assert answers == [plainly(*arguments)] * 64
