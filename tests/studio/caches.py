"""A cache of compiled models for the tests of one package alone, which import it into their conftest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="package", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compiled models are kept for these tests alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOTSWAP_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
