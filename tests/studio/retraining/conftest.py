"""Two models that real runs made: one from nothing, and that one tuned on corrections."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.studio.caches import own_cache as own_cache
from tests.studio.retraining.retraining_runs import Place, export, inverted_digits, run

EPOCHS = 6


class Loop(NamedTuple):
    """What came of a run from a clean folder, and of the tuning after it."""

    place: Place
    trained: Path
    tuned: Path
    trained_report: Any
    tuned_report: Any
    verdicts: tuple[Any, Any]


@pytest.fixture(scope="package")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Loop:
    """Nothing at first; then 60 corrections of black on white."""
    place = Place(tmp_path_factory.mktemp("loop"))
    first = run("__default__", place, **{"training.epochs": EPOCHS})
    trained_report = place.told("report")
    [trained] = place.published()
    export(place.corrections, inverted_digits(60))
    second = run("tuning", place)
    tuned = place.published()[-1]
    return Loop(place, trained, tuned, trained_report, place.told("report"), (first, second))


@pytest.fixture
def beside(loop: Loop, tmp_path: Path) -> Place:
    """The same arrays and corrections, where the trained model alone is live."""
    place = Place(tmp_path)
    shutil.copytree(loop.place.folder / "work", tmp_path / "work")
    shutil.copytree(loop.place.corrections, place.corrections)
    place.models.mkdir()
    shutil.copy(loop.trained, place.models)
    return place
