"""Two who sign: one who is trusted, and one who is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.models.signatures.makers import Maker


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("makers")


@pytest.fixture(scope="module")
def alice(folder: Path) -> Maker:
    return Maker(folder, "alice")


@pytest.fixture(scope="module")
def mallory(folder: Path) -> Maker:
    return Maker(folder, "mallory", ec.SECP384R1())
