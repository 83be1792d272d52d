"""What RunInference asks of the handler besides answers: the models that are its own, and the size of a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import serving
from models.artefacts import Manifest
from models.card import Card, InputSpec
from models.images.decoding import Raster
from models.live import LiveModel
from models.records import REPLAY_OF, DecodedImage, ImageRequest, Origin
from models.reference import ModelReference, Statement
from models.serving import ServingConfig
from tests.model_files import tiny_classifier
from tests.models.trials.test_answering import Bench
from tests.transforms.test_inference import image
from transforms.inference import HotSwapModelHandler
from transforms.process import JobRun

NEWEST = Statement(ModelReference("gs://b/m.h5", "0123456789ab" + "0" * 52), 7)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[JobRun]:
    run = JobRun(str(tmp_path))
    yield run
    run.here.end()


@pytest.fixture
def config(tmp_path: Path) -> ServingConfig:
    return ServingConfig(str(tmp_path / "*.h5"), cache_folder=str(tmp_path / "cache"))


def test_each_configuration_has_models_of_its_own_and_all_its_handlers_share_them(
    run: JobRun, config: ServingConfig
) -> None:
    models = HotSwapModelHandler(config, run).load_model()
    assert models is run.here.serving(config).live
    assert HotSwapModelHandler(config, run).load_model() is models
    assert HotSwapModelHandler(replace(config, max_batch_size=8), run).load_model() is not models


def test_what_the_side_input_says_is_stated_to_the_models_of_the_handler(
    run: JobRun, config: ServingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = HotSwapModelHandler(config, run)
    stated: list[Statement] = []
    monkeypatch.setattr(handler.load_model(), "follow", stated.append)
    for path in (None, NEWEST.encode(), ""):
        handler.update_model_path(path)
    assert stated == [NEWEST]


def test_a_job_that_is_told_of_no_model_finds_the_one_that_is_there(
    run: JobRun, config: ServingConfig, tmp_path: Path
) -> None:
    """As one that is drained before its first model: its clock has stopped."""
    tiny_classifier(tmp_path / "m.onnx", favours=1)
    found = replace(config, model_pattern=str(tmp_path / "*.onnx"), poll_seconds=0.1, alone=False)
    handler = HotSwapModelHandler(found, run)
    [result] = handler.run_inference([image(3)], handler.load_model())
    assert result.model_id.startswith(f"{tmp_path}/m.onnx@sha256:")


def test_where_no_model_ever_comes_images_become_dead_letters_and_the_next_wait_no_longer(
    run: JobRun, config: ServingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "FIRST_MODEL_SECONDS", 0.05)
    handler = HotSwapModelHandler(replace(config, poll_seconds=0.01), run)
    for _ in range(2):
        results = list(handler.run_inference([image(3), image(4)], handler.load_model()))
        assert [result.inference.outcome.fault for result in results] == ["no_model"] * 2
        assert [result.example.image for result in results] == ["3.png", "4.png"]
        assert {result.model_id for result in results} == {None}


def test_a_replay_is_answered_by_the_same_side_of_a_canary_as_the_message_before(
    run: JobRun, config: ServingConfig, tmp_path: Path
) -> None:
    bench = Bench(tmp_path)
    try:
        bench.try_new(share=0.5)
        handler = HotSwapModelHandler(config, run)
        black = Raster(np.zeros((8, 8, 3), np.uint8))

        def answered_by(origins: Sequence[Origin]) -> list[str | None]:
            images = [DecodedImage(ImageRequest("image.png", origin), black) for origin in origins]
            return [result.model_id for result in handler.run_inference(images, bench.models)]

        first = answered_by([Origin(str(number), "", {}) for number in range(64)])
        replays = [Origin(f"new {number}", "", {REPLAY_OF: str(number)}) for number in range(64)]
        assert len(set(first)) == 2
        assert answered_by(replays) == first
        assert answered_by([origin._replace(attributes={}) for origin in replays]) != first
    finally:
        bench.close()


def test_no_batch_waits_for_images_of_other_bundles(config: ServingConfig) -> None:
    assert HotSwapModelHandler(config).batch_elements_kwargs().get("max_batch_duration_secs") is None


def test_a_batch_has_the_size_that_was_asked(config: ServingConfig) -> None:
    kwargs = HotSwapModelHandler(replace(config, max_batch_size=8)).batch_elements_kwargs()
    assert (kwargs["min_batch_size"], kwargs["max_batch_size"]) == (8, 8)


@pytest.mark.parametrize("rows", [1, 3])
def test_no_image_is_lost_where_a_model_answers_with_another_number_of_rows(
    rows: int, run: JobRun, config: ServingConfig
) -> None:
    class Miscounting:
        def predict(self, batch: Any) -> Any:
            return (np.zeros((rows, 2), np.float32),)

    class Holder:
        def current(self) -> LiveModel:
            card = Card("miscounting", "", (), "raw", InputSpec(2, 2, 1))
            manifest = Manifest("0" * 64, "onnx", "", card, (2, 2, 1), "uint8", (), 0.0)
            return LiveModel(NEWEST.reference, manifest, Miscounting())  # type: ignore[arg-type]

        peek = current

        def on_trial(self) -> None:
            return None

    image = DecodedImage(ImageRequest("a.png", Origin("1", "", {})), Raster(np.zeros((4, 4, 3), np.uint8)))
    with pytest.raises(ValueError, match="zip"):
        HotSwapModelHandler(config, run).run_inference([image] * 2, Holder())  # type: ignore[arg-type]


def test_the_metrics_of_the_stock_transform_keep_the_name_that_dashboards_know(config: ServingConfig) -> None:
    assert HotSwapModelHandler(config).get_metrics_namespace() == "RunInference"
