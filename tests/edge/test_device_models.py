"""A component is judged once, and anew when it changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.device_models import DeviceModels
from models.errors import ComponentFault
from models.registry.cache import ArtefactCache
from tests.component_files import component_of, with_manifest


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def models(tmp_path: Path, told: list[str]) -> Iterator[DeviceModels]:
    with DeviceModels(tmp_path / "current", ArtefactCache(tmp_path / "cache"), told.append) as models:
        yield models


def forged(tmp_path: Path, name: str) -> Path:
    archive = with_manifest(component_of(tmp_path / name), lambda value: value["files"][0].update(sha256="0" * 64))
    return archive.rename(tmp_path / "current")


def test_a_bad_component_is_refused_once_and_another_one_again(models: DeviceModels, tmp_path: Path) -> None:
    forged(tmp_path, "one")
    first, second = models.look(), models.look()
    forged(tmp_path, "two")
    third = models.look()

    assert first is not None and third is not None
    assert (first.fault, second, third.fault) == (ComponentFault.WRONG_DIGEST, None, ComponentFault.WRONG_DIGEST)


def test_a_good_component_is_unpacked_once_wherever_it_is_found(
    models: DeviceModels, tmp_path: Path, told: list[str]
) -> None:
    for place in ("one", "two"):
        component_of(tmp_path / place).rename(tmp_path / "current")
        assert models.look() is None
        assert models.look() is None

    assert len([line for line in told if line.startswith("taken: ")]) == 1
    [work] = (tmp_path / "cache").glob(".work-*")
    assert len(list(work.iterdir())) == 1


def test_what_changes_between_two_looks_waits_for_the_next(models: DeviceModels, tmp_path: Path) -> None:
    archive = forged(tmp_path, "one")
    assert models.look(settled=True) is None
    with archive.open("ab") as writing:
        writing.write(b"more")
    assert models.look(settled=True) is None

    assert models.look(settled=True) is not None
