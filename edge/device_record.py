"""What an agent knows of its device: in memory, on the disk, and by the links that follow it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from edge.device_folder import DeviceFolder
from edge.device_state import FIRST_PLACE, DeviceState
from edge.retries import FOLDER, Retries
from edge.steps import At, Step


class DeviceRecord:
    """The state of a device and its folder, kept the same. One thread has it.

    Args:
        folder: of the device.
        retries: are told of a disk that fails.
        tell: is given a line about each thing that happens.
        at: is told of steps.

    Attributes:
        folder: of the device.
        state: what is known. Who changes it in memory alone has it written later, by `write_what_is_left`.
        saved: what the disk knows.
    """

    def __init__(self, folder: DeviceFolder, retries: Retries, tell: Callable[[str], None], at: At) -> None:
        self.folder = folder
        self._retries = retries
        self._at = at
        self._is_unsaved = False
        state, trouble = folder.read_state()
        if trouble:
            tell(trouble)
        self.state = self.saved = folder.whole(state)
        for folder_name, release in state.releases().items():
            if folder_name not in self.state.releases():
                tell(f"{release.title} changed on this disk, and does not count")
        try:
            folder.mend(self.state)
            at(Step.STARTED)
        except OSError as error:  # a full disk: each turn tries again
            self.disk_failed(error)

    def write(self, state: DeviceState) -> None:
        """Writes another state down, and has it be what is known.

        Raises:
            OSError: it cannot be written; both stay what they were.
        """
        try:
            self.folder.write_state(state)
        except OSError:
            if not self.folder.clean((state, self.state, self.saved)):
                raise
            self.folder.write_state(state)  # in the room of what was on its way
        self.state = self.saved = state
        self._is_unsaved = False
        self._retries.forget(FOLDER)

    def hear(self, state: DeviceState) -> None:
        """Has another state be what is known, whether it can be written down now or not: it can be heard once more."""
        self.state = state
        self._is_unsaved = True
        if not self._retries.may_try(FOLDER):
            return
        try:
            self.write(state)
        except OSError as error:
            self.disk_failed(error)

    def go_back_to(self, state: DeviceState, name: str) -> None:
        """Has the link of a place lead back, whether that can be written down or not: the disk may be full.

        Raises:
            OSError: it cannot be written down now; `write_what_is_left` tries again.
        """
        self.state = state
        self._is_unsaved = True
        self.folder.point(state, name)
        self.write(state)

    def write_what_is_left(self) -> None:
        """Writes what a full disk refused before, unless it is too early.

        Raises:
            OSError: it refuses again.
        """
        if self._is_unsaved and self._retries.may_try(FOLDER):
            self.write(self.state)

    def tidy(self, coming: Iterable[str]) -> None:
        """Has the links follow the state, and removes what nobody needs any more.

        Args:
            coming: SHA-256 of archives that are still to be fetched.

        Raises:
            OSError: of the disk.
        """
        for name in self.state.places:
            self.folder.point(self.state, name)  # whoever meddled with it
        if self.clean(coming):
            self._at(Step.CLEANED)

    def clean(self, coming: Iterable[str]) -> bool:
        """Removes what neither is known nor stands on the disk; whether there was anything.

        Args:
            coming: SHA-256 of archives whose parts stay.
        """
        return self.folder.clean((self.state, self.saved), coming)

    def goes_on(self) -> str:
        """What the device does meanwhile, in words."""
        current = self.state.places[FIRST_PLACE].current
        return f"{current.title} goes on" if current is not None else "there is no other yet"

    def disk_failed(self, error: OSError) -> None:
        """The folder's disk failed; what is there goes on."""
        self._retries.postpone_disk(FOLDER, str(self.folder.path), error, self.goes_on())
