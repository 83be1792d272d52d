"""What storages say of a file, through what Beam wraps around it."""

from __future__ import annotations

import pytest
from apache_beam.io.filesystem import BeamIOError
from google.api_core import exceptions as google_errors

from transforms.beam_files import cause_of, http_status, is_not_found


def wrapped(error: BaseException) -> BeamIOError:
    return BeamIOError("Match operation failed", {"gs://bucket/it": error})


@pytest.mark.parametrize("error", [FileNotFoundError("it"), google_errors.NotFound("it")])
def test_a_file_that_is_not_there_is_told_apart_however_it_is_wrapped(error: Exception) -> None:
    assert is_not_found(error)
    assert is_not_found(wrapped(error))
    assert cause_of(wrapped(error)) is error


@pytest.mark.parametrize(
    "error",
    [google_errors.ServiceUnavailable("503"), google_errors.Forbidden("403"), PermissionError("it"), ValueError()],
)
def test_any_other_trouble_is_no_missing_file(error: Exception) -> None:
    assert not is_not_found(error)
    assert not is_not_found(wrapped(error))


def test_a_trouble_of_beams_own_is_its_own_cause() -> None:
    error = BeamIOError("it", {"gs://bucket/it": "a text"})
    assert cause_of(error) is error
    assert http_status(error) is None
