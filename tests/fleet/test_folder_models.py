"""Every valid model of a folder beside the live one; what does not work is told once, until it works again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.folder_models import EveryModel
from models.serving import ServingConfig, WatchedFolder
from models.storage import StoredFile
from models.storage.errors import StorageUnavailable
from models.storage.schemes import AnyStorage
from models.troubles import Troubles
from tests.launch.tiny_models import tiny_onnx
from tests.waiting import eventually


class Flaky(AnyStorage):
    """A storage that can be away."""

    is_away = False

    def list(self, pattern: str) -> list[StoredFile]:
        if self.is_away:
            raise StorageUnavailable("the bucket is away")
        return super().list(pattern)


class Folder:
    """Models of a folder, as they are seen; and what is said of it.

    Attributes:
        storage: that lists those beside the live one.
        said: lines.
    """

    def __init__(self, models: Path, cache: Path) -> None:
        self.models, self.storage, self.said = models, Flaky(), list[str]()
        self.now = 0.0
        pattern = str(models / "*")
        config = ServingConfig(pattern, 0.1, cache_folder=str(cache), engine="onnx", max_batch_size=1)
        self.folder = WatchedFolder(config, AnyStorage())
        troubles = Troubles(self.said.append)
        self.every = EveryModel(
            self.folder, "model", self.storage, pattern, 30.0, troubles,
            clock=lambda: 4e9, stopwatch=lambda: self.now,
        )  # fmt: skip

    def names(self) -> list[str]:
        """Of the components, as seen a long time after the look before."""
        self.now += 1000
        return [each.name for each in self.every.wanted()]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path / "models", tmp_path / "cache")
    tiny_onnx(made.models / "cats.onnx")
    eventually(made.names, "the live model", 120)
    yield made
    made.folder.close()


def test_a_folder_that_cannot_be_listed_is_told_once_and_changes_nothing(folder: Folder) -> None:
    before = folder.names()
    assert before == ["model", "cats"]
    folder.storage.is_away = True
    for _ in range(3):
        assert folder.names() == before
        folder.now += 1
        assert [each.name for each in folder.every.wanted()] == before
    [line] = folder.said
    assert "the bucket is away" in line
    folder.storage.is_away = False
    assert folder.names() == before
    folder.storage.is_away = True
    folder.names()
    assert folder.said[2:] == [line]


def test_a_model_that_is_left_out_is_told_of_again_when_it_comes_again(folder: Folder) -> None:
    broken = folder.models / "broken.onnx"
    for times in (1, 2):
        broken.write_bytes(b"no model")
        folder.names()
        folder.names()
        told = [line for line in folder.said if "broken.onnx is left out" in line]
        assert len(told) == times
        broken.unlink()
        assert folder.names() == ["model", "cats"]
