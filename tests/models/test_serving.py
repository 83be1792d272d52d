"""One reader of a model folder: it vets what is there, answers, and shares what it compiled."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest

from models.answering import answers
from models.images.decoding import Raster
from models.serving import Serving, ServingConfig
from models.storage.schemes import AnyStorage
from models.tasks import Ranked
from tests.model_files import tiny_classifier


def favoured(config: ServingConfig) -> int:
    """The class that the newest model finds in a black image."""
    with contextlib.closing(Serving(config, AnyStorage())) as serving:
        statement = serving.watch.wait_for_statement()
        assert statement is not None
        serving.live.follow(statement)
        [answer] = answers(serving.live.current(), [Raster(np.zeros((8, 8, 3), np.uint8))])
        assert isinstance(answer, Ranked)
        return answer.top[0].class_index


def test_one_machine_vets_and_answers_and_the_next_loads_what_it_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    tiny_classifier(tmp_path / "models/m.onnx", favours=2)

    def machine(name: str) -> ServingConfig:
        pattern, cache, fleet = (str(tmp_path / part) for part in ("models/*.onnx", name, "fleet"))
        return ServingConfig(pattern, poll_seconds=0.1, max_batch_size=2, cache_folder=cache, registry=fleet)

    assert favoured(machine("first")) == 2
    assert len(list((tmp_path / "fleet/compiled").glob("*.tar"))) == 1

    monkeypatch.setattr("models.vetting.vetter.ChildProcess", None)
    assert favoured(machine("second")) == 2


def test_one_relative_pattern_in_two_folders_means_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, favours in (("one", 1), ("two", 2)):
        (tmp_path / folder / "m").mkdir(parents=True)
        tiny_classifier(tmp_path / folder / "m/m.onnx", favours=favours)
    config = ServingConfig("m/*.onnx", 0.1, max_batch_size=2, cache_folder=str(tmp_path / "cache"))
    for folder, favours in (("one", 1), ("two", 2), ("one", 1)):
        monkeypatch.chdir(tmp_path / folder)
        assert favoured(config) == favours
