"""A vetter whose children end with the test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from models.registry.cache import ArtefactCache
from models.storage import LocalStorage
from models.vetting import Vetter


@pytest.fixture
def vetter(shared_cache: ArtefactCache) -> Iterator[Vetter]:
    vetter = Vetter(LocalStorage(), shared_cache, largest_batch=4)
    yield vetter
    vetter.close()
