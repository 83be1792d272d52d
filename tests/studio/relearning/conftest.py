"""Studios with a database of corrections and a first model, which one real run made."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from studio.places import Places
from tests.small_disk import small_disk as small_disk
from tests.studio.caches import own_cache as own_cache
from tests.studio.relearning.small_studio import Studio
from tests.studio.retraining.retraining_runs import Place, run

EPOCHS = 6
FEW_EPOCHS = {"training.epochs": EPOCHS}


@pytest.fixture(scope="package")
def first_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run on scikit-learn's digits alone published."""
    place = Place(tmp_path_factory.mktemp("first"))
    run("__default__", place, **{"training.epochs": EPOCHS})
    [model] = place.published()
    return model


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Studio]]:
    """Opens a studio, or the same again, with no model in it, its runs on a disk of their own where one is named; all
    end with the test.
    """
    studios: list[Studio] = []

    def open_(after: int = 0, seconds: float = 600.0, work: Path | None = None) -> Studio:
        places = Places(tmp_path / "studio", tmp_path / "models")
        if work is not None and not places.work.exists():
            places.root.mkdir()
            places.work.symlink_to(work)
        places.make()
        studio = Studio(places, after, seconds, FEW_EPOCHS)
        studios.append(studio)
        return studio

    yield open_
    for studio in studios:
        studio.close()


@pytest.fixture
def studio(opened: Callable[..., Studio], first_model: Path) -> Studio:
    """One whose first model is live."""
    studio = opened()
    shutil.copy(first_model, studio.places.models)
    return studio
