"""The folder's link leads somewhere at every moment, and one agent has the folder."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

import pytest

from edge.device_folder import DeviceFolder, FolderTaken
from edge.device_state import FIRST_PLACE, DeviceState, Installed, Place


def release(number: int) -> Installed:
    return Installed("animals", f"{number}.0.0", f"{number}" * 64, "a manifest", "a model")


def test_the_link_is_never_absent_while_it_is_swapped(tmp_path: Path) -> None:
    one, two = (DeviceState().with_place(FIRST_PLACE, Place(release(number))) for number in (1, 2))
    with closing(DeviceFolder(tmp_path)) as folder:
        folder.point(one, FIRST_PLACE)
        absent, done = threading.Event(), threading.Event()

        def watch() -> None:
            while not done.is_set():
                if not (tmp_path / "current").is_symlink():
                    absent.set()

        watcher = threading.Thread(target=watch)
        watcher.start()
        for _ in range(500):
            folder.point(two, FIRST_PLACE)
            folder.point(one, FIRST_PLACE)
        done.set()
        watcher.join()

    assert not absent.is_set()


def test_one_agent_has_a_folder_until_it_lets_go(tmp_path: Path) -> None:
    with closing(DeviceFolder(tmp_path)), pytest.raises(FolderTaken):
        DeviceFolder(tmp_path)
    DeviceFolder(tmp_path).close()


def test_what_would_not_fit_is_not_begun(tmp_path: Path) -> None:
    with closing(DeviceFolder(tmp_path)) as folder:
        folder.require_room(1, "a" * 64)
        with pytest.raises(OSError, match="no space left"):
            folder.require_room(folder.free_bytes(), "a" * 64)
