"""The names of models: a file and the digest of its bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.reference import Mode, ModelReference, StatedTrial, Statement, file_name_of

DIGEST = "0123456789ab"
SHA256 = DIGEST + "c" * 52


def test_a_model_id_names_the_exact_bytes() -> None:
    assert ModelReference("gs://b/m.h5", SHA256).model_id == f"gs://b/m.h5@sha256:{DIGEST}"


@pytest.mark.parametrize(
    ("uri", "name"), [("gs://b/d/digits.h5", "digits"), ("/m/v1.2.keras", "v1.2"), ("plain", "plain")]
)
def test_a_model_is_named_after_its_file(uri: str, name: str) -> None:
    assert file_name_of(uri) == ModelReference(uri, SHA256).file_name == name


@given(st.text(min_size=1), st.text("0123456789abcdef", min_size=64, max_size=64), st.integers(0, 2**63))
def test_every_statement_survives_its_journey(uri: str, digest: str, epoch: int) -> None:
    stated = Statement(ModelReference(uri, digest), epoch)
    assert Statement.decode(stated.encode()) == stated


@given(
    st.integers(1, 2**53),
    st.text(min_size=1),
    st.sampled_from(["shadow", "canary"]),
    st.floats(1e-11, 1.0),
    st.integers(0, 19),
)
def test_every_trial_survives_its_journey(number: int, uri: str, mode: Mode, share: float, step: int) -> None:
    trial = StatedTrial(number, ModelReference(uri, "d" * 64), mode, share, step)
    stated = Statement(ModelReference("gs://b/m.h5", SHA256), 8, trial)
    assert Statement.decode(stated.encode()) == stated


@pytest.mark.parametrize(
    "told", ["7/0/canary/0.5", "7/0/green/0.5/" + "d" * 64 + "/m", "7/0/canary/1e/" + "d" * 64 + "/m"]
)
def test_what_is_no_trial_is_refused(told: str) -> None:
    with pytest.raises(ValueError):
        Statement.decode(f"m.h5@sha256:{SHA256};epoch=1;trial={told}")


def test_a_name_that_looks_like_a_statement_does_not_fool() -> None:
    stated = Statement(ModelReference(f"m@sha256:{SHA256};epoch=9", "f" * 64), 1)
    assert Statement.decode(stated.encode()) == stated


@pytest.mark.parametrize(
    "text",
    [
        *("", "m.h5", "m.h5@sha256:", f"m.h5@sha256:{SHA256}", f"m.h5@sha256:{DIGEST};epoch=1"),
        *(f"@sha256:{SHA256};epoch=1", f"m@sha256:{SHA256.upper()};epoch=1"),
    ],
)
def test_what_is_no_statement_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a statement"):
        Statement.decode(text)
