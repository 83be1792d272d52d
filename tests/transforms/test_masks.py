"""Masks become files of their own, whatever their image is called."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.ml.inference.base import PredictionResult
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that
from hypothesis import given
from hypothesis import strategies as st

from models.records import Answer, ImageRequest, Origin
from models.serving import ServingConfig
from models.storage.errors import StorageUnavailable
from models.tasks import Mask, Share
from transforms.masks import MaskFolder, mask_name
from transforms.process import JobRun
from transforms.results import FormatResults
from transforms.sinks import SinkFailed

MASK = Mask(2, 3, b"\x89PNG of any kind", (Share("sky", 0, 1.0),))
MODEL = "gs://b/m.h5@sha256:0123456789ab"


def test_a_mask_lies_in_the_folder_and_its_result_names_it(tmp_path: Path) -> None:
    put = MaskFolder(str(tmp_path / "new" / "masks")).put(MASK, "gs://b/images/one.jpg", MODEL)
    assert put.to_json() == {
        "mask": {"height": 2, "width": 3, "uri": put.uri},
        "shares": [{"label": "sky", "class_index": 0, "share": 1.0}],
    }
    assert Path(put.uri).read_bytes() == MASK.png
    assert [path.name for path in Path(put.uri).parent.iterdir()] == [Path(put.uri).name]
    assert Path(put.uri).name.startswith("one-")


def test_a_mask_that_is_written_again_is_the_same_file(tmp_path: Path) -> None:
    folder = MaskFolder(str(tmp_path))
    assert folder.put(MASK, "a.png", MODEL) == folder.put(MASK, "a.png", MODEL)
    assert len(list(tmp_path.iterdir())) == 1


def test_each_image_and_each_model_has_masks_of_its_own() -> None:
    pairs = [
        ("a/x.png", "m"),
        ("b/x.png", "m"),
        ("a/x.png", "n"),
        ("a/x.jpg", "m"),
        ("x.png", "m\na"),
        ("a\nx.png", "m"),
    ]
    assert len({mask_name(*pair) for pair in pairs}) == len(pairs)


@given(st.text() | st.sampled_from(["../../etc/passwd", "a/../..", "/", "", "\0", "\ud800", "x" * 9000, "-rf", ".png"]))
def test_no_name_of_an_image_decides_where_its_mask_lies(image: str) -> None:
    assert re.fullmatch(r"([A-Za-z0-9_-]{1,64}-)?[0-9a-f]{32}\.png", mask_name(image, MODEL))


def test_a_disk_that_cannot_take_a_mask_ends_the_run_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(SinkFailed, match=r"^the mask .*/taken/a-\w+\.png cannot be written: "):
        MaskFolder(str(tmp_path / "taken")).put(MASK, "a.png", MODEL)


def test_a_storage_that_cannot_take_a_mask_now_is_tried_again_by_the_runner() -> None:
    with pytest.raises(StorageUnavailable):
        MaskFolder("nowhere://b/masks").put(MASK, "a.png", MODEL)


def predicted(image: str) -> PredictionResult:
    origin = Origin("7", "2026-01-01T00:00:00.000000Z", {})
    return PredictionResult(ImageRequest(image, origin), Answer(MASK, "m", "2026-01-01T00:00:01.000000Z"), MODEL)


@pytest.mark.parametrize("to_files", [True, False])
def test_the_job_leaves_masks_in_results_or_in_files(to_files: bool, tmp_path: Path) -> None:
    folder = tmp_path / "masks"
    serving = ServingConfig(str(tmp_path / "*.onnx"), cache_folder=str(tmp_path / "cache"))
    run = JobRun(f"masks {to_files}")

    def check(results: list[dict[str, Any]]) -> None:
        (result,) = results
        written = [str(path) for path in folder.glob("*")]
        if to_files:
            assert [result["mask"]["uri"]] == written
            assert "png" not in result["mask"]
        else:
            assert result["mask"]["png"] and not written

    with TestPipeline() as pipeline:
        formatting = FormatResults(serving, run, str(folder) if to_files else None)
        formatted = pipeline | beam.Create(["/i.png"]) | beam.Map(predicted) | formatting
        assert_that(formatted.results, check)
    run.here.end()
