"""A studio's folders, whoever watches them as the stream's job does, and the shelf over them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from studio.places import Places
from studio.shelf.shelf import ModelShelf
from tests.small_disk import small_disk as small_disk
from tests.studio.shelf.studio_models import CountedAnswers


@pytest.fixture(scope="package", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compiled models are kept for these tests alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOTSWAP_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def places(tmp_path: Path) -> Places:
    places = Places(tmp_path / "studio", tmp_path / "models")
    places.make()
    return places


@pytest.fixture
def answers() -> CountedAnswers:
    return CountedAnswers()


@pytest.fixture
def shelf(places: Places, answers: CountedAnswers) -> Iterator[ModelShelf]:
    with closing(ModelShelf(places, answers)) as shelf:
        yield shelf
