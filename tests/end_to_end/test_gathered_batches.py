"""A local run whose requests wait for each other answers as any other does, and ends as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.local_run import Feed
from tests.end_to_end.onnx_run import onnx_run
from tests.end_to_end.telling_models import drop, untrue

pytestmark = pytest.mark.end_to_end

IMAGES = 21


@pytest.mark.parametrize("wait_ms", [300, 5000])
def test_what_waits_for_a_batch_is_answered_once_also_when_the_run_is_asked_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_ms: int
) -> None:
    monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)
    for folder in ("models", "images"):
        (tmp_path / folder).mkdir()
    ids = {"one": drop(tmp_path / "models", "one")}
    feed = Feed(tmp_path / "images")
    feed.land(IMAGES)

    with onnx_run(tmp_path, "--max-batch-wait-ms", str(wait_ms), "--max-batch-size", "8") as run:
        run.until(lambda: run.result_lines() >= 16, "the results of full batches")
        assert run.finish() == 0

    results = run.records("results")
    assert sorted(result["image"] for result in results) == sorted(feed.landed)
    assert untrue(results, ids) == []
    assert run.books() == {"in": IMAGES, "results": IMAGES, "dead": 0, "skipped": 0}
