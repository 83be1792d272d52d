"""Whatever brings it, a full disk is told as one."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import h5py
import numpy as np
import pytest

from models.storage.errors import StorageUnavailable, tells_of_full_disk
from tests.small_disk import small_disk as small_disk


def of(error: BaseException) -> BaseException:
    """What somebody raised who met with it."""
    try:
        try:
            raise error
        except type(error) as met:
            raise StorageUnavailable("it cannot be kept") from met
    except StorageUnavailable as raised:
        return raised


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_no_room_for_anybody_or_for_this_user(number: int) -> None:
    error = OSError(number, "said in any words")
    assert tells_of_full_disk(error) and tells_of_full_disk(of(error))


def test_a_library_says_it_without_a_number(small_disk: Path) -> None:
    with pytest.raises(Exception) as hdf5, h5py.File(small_disk / "a.h5", "w") as file:
        file["all"] = np.zeros(4 << 20, np.uint8)
    assert tells_of_full_disk(of(hdf5.value))
    for left in small_disk.iterdir():
        left.unlink()
    connection = sqlite3.connect(small_disk / "a.db")
    with pytest.raises(sqlite3.OperationalError) as sqlite:
        connection.execute("create table a as select zeroblob(4000000)")
    connection.close()
    assert tells_of_full_disk(of(sqlite.value))


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "denied"), ValueError("full of errors"), None])
def test_other_errors_are_no_full_disk(error: BaseException | None) -> None:
    assert not tells_of_full_disk(error)
