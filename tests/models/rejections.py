"""What every rejection must be, whatever it is about."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from models.errors import ModelRejected


def rejection(vet: Callable[[], object]) -> ModelRejected:
    """What `vet` raises: one printable line of bounded length, that says more than a word."""
    with pytest.raises(ModelRejected) as caught:
        vet()
    assert caught.value.detail.isprintable()
    assert len(caught.value.detail) <= 500
    return caught.value
