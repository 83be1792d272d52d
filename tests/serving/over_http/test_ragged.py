"""Answers that differ in how many entries they have: whole in columns, without their filling in rows."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from onnx import helper
from PIL import Image

from models.card import Task
from models.detection_card import DetectionSpec
from serving.outputs import described, ragged
from tests.model_files import IMAGE, save_onnx
from tests.models.tasks.manifests import manifest_of
from tests.serving.over_http.asking import PREDICT, b64, good
from tests.serving.running_core import http_server, running_core

LABELS = ["red", "green", "blue"]


def png(*colour: int) -> bytes:
    """An image of one colour."""
    file = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), colour, np.uint8)).save(file, "PNG")
    return file.getvalue()


def both_ways(folder: Path, *images: bytes) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What a folder's model answers in rows, and in columns."""
    with running_core(folder, folder / "cache") as running, http_server(running) as url:
        running.await_model()
        sent = list(map(b64, images))
        rows = good(httpx.post(url + PREDICT, json={"instances": sent}, timeout=60))["predictions"]
        return rows, good(httpx.post(url + PREDICT, json={"inputs": sent}, timeout=60))["outputs"]


def test_labels_of_one_image_are_as_many_as_it_has(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["means"], axes=[1, 2], keepdims=0),
        helper.make_node("Clip", ["means", "none", "one"], ["scores"]),
    ]
    constants = {"none": np.array(0, np.float32), "one": np.array(1, np.float32)}
    card = {"task": "multilabel", "labels": LABELS, "input": {"scale": 1 / 255}, "activation": "none"}
    save_onnx(tmp_path / "m.onnx", nodes, IMAGE, ["n", 3], constants, card=card)
    rows, columns = both_ways(tmp_path, png(255, 0, 200), png(0, 0, 0))
    assert [row["labels"] for row in rows] == [["red", "blue"], []]
    assert [row["classes"] for row in rows] == [[0, 2], []]
    assert [len(row["scores"]) for row in rows] == [3, 3]
    assert columns["labels"] == [["red", "blue"], ["", ""]]
    assert columns["classes"] == [[0, 2], [-1, -1]]


def test_a_mask_comes_in_base64_and_shares_as_many_as_it_has(tmp_path: Path) -> None:
    card = {"task": "segmentation", "labels": LABELS}
    save_onnx(tmp_path / "m.onnx", [helper.make_node("Identity", ["image"], ["scores"])], IMAGE, IMAGE, card=card)
    half = np.zeros((8, 8, 3), np.uint8)
    half[:, :4, 0], half[:, 4:, 2] = 200, 200
    file = io.BytesIO()
    Image.fromarray(half).save(file, "PNG")
    rows, columns = both_ways(tmp_path, png(0, 200, 0), file.getvalue())
    assert [row["labels"] for row in rows] == [["green"], ["red", "blue"]]
    assert [row["shares"] for row in rows] == [[1.0], [0.5, 0.5]]
    mask = np.asarray(Image.open(io.BytesIO(base64.b64decode(rows[1]["mask_bytes"]["b64"]))))
    assert mask.tolist() == [[0] * 4 + [2] * 4] * 8
    assert columns["mask_bytes"] == [row["mask_bytes"] for row in rows]
    assert columns["classes"] == [[1, -1], [0, 2]]


@pytest.mark.parametrize(
    ("task", "outputs", "card"),
    [
        ("classification", {"a": (3,)}, {}),
        ("binary", {"a": (1,)}, {}),
        ("multilabel", {"a": (3,)}, {}),
        ("segmentation", {"a": (8, 8, 3)}, {}),
        ("detection", {"a": (5, 4), "b": (5, 3)}, {"detection": DetectionSpec(("a",), ("b",))}),
        ("regression", {"a": (3,)}, {}),
        ("raw", {"classes": (3,)}, {}),
    ],
)
def test_outputs_are_ragged_whose_size_is_not_known_before(
    task: Task, outputs: dict[str, tuple[int, ...]], card: dict[str, Any]
) -> None:
    manifest = manifest_of(task, outputs, **card)
    assert ragged(manifest) == {field.name for field in described(manifest) if -1 in field.shape}
