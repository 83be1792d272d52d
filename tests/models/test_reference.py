"""The names of models: a file and the digest of its bytes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.reference import ModelReference, Statement, file_name_of

DIGEST = "0123456789ab"


def test_a_model_id_names_the_exact_bytes() -> None:
    assert ModelReference("gs://b/m.h5", DIGEST).model_id == f"gs://b/m.h5@sha256:{DIGEST}"


@pytest.mark.parametrize(
    ("uri", "name"), [("gs://b/d/digits.h5", "digits"), ("/m/v1.2.keras", "v1.2"), ("plain", "plain")]
)
def test_a_model_is_named_after_its_file(uri: str, name: str) -> None:
    assert file_name_of(uri) == ModelReference(uri, DIGEST).file_name == name


@given(st.text(min_size=1), st.text("0123456789abcdef", min_size=12, max_size=12))
def test_every_model_id_names_its_reference_again(uri: str, digest: str) -> None:
    reference = ModelReference(uri, digest)
    assert ModelReference.parse(reference.model_id) == reference


@given(st.text(min_size=1), st.text("0123456789abcdef", min_size=12, max_size=12), st.integers(0, 2**63))
def test_every_statement_survives_its_journey(uri: str, digest: str, since: int) -> None:
    stated = Statement(ModelReference(uri, digest), since)
    assert Statement.decode(stated.encode()) == stated


def test_a_name_that_looks_like_a_statement_does_not_fool() -> None:
    stated = Statement(ModelReference(f"m@sha256:{DIGEST};since=9", "f" * 12), 1)
    assert Statement.decode(stated.encode()) == stated


def test_a_bare_model_id_is_the_oldest_statement() -> None:
    assert Statement.decode(f"m.h5@sha256:{DIGEST}") == Statement(ModelReference("m.h5", DIGEST), 0)


@pytest.mark.parametrize("text", ["", "m.h5", "m.h5@sha256:", f"@sha256:{DIGEST}", f"m@sha256:{DIGEST.upper()}"])
@pytest.mark.parametrize("read", [ModelReference.parse, Statement.decode])
def test_what_is_no_model_id_is_refused(text: str, read: Callable[[str], object]) -> None:
    with pytest.raises(ValueError, match="not a model id"):
        read(text)
