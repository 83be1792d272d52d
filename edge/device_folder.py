"""The agent's folder: whatever happens to the power or the disk, `current` leads to a component that is whole.

DIR/current -> components/DIGEST      replaced by one rename; DIR/NAME/current for further models
DIR/components/DIGEST/                whole, verified, probed, and on the disk before it got this name
DIR/incoming/                         an archive on its way, and what is unpacked of it
DIR/state.json                        what is to lie where; written before the links, which follow it
DIR/retry                             lies there where somebody asked that what was given up be tried again
DIR/lock, DIR/runs/
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import filecmp
import hashlib
import itertools
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from edge.device_state import FIRST_PLACE, DeviceState, Installed, Place, StateUnreadable
from edge.fetching import PART_SUFFIX
from edge.intact import Intact, manifest_in
from edge.runs import RUNS, STATE_FILE
from edge.steps import At, Step
from models.components.component import Component
from models.errors import ComponentRefused
from models.storage.local import read_start
from models.storage.local_writing import sync, write_locally
from models.trees import remove_tree, remove_whatever

CURRENT, COMPONENTS, INCOMING, LOCK, RETRY = "current", "components", "incoming", "lock", "retry"
RESERVED = frozenset({CURRENT, COMPONENTS, INCOMING, LOCK, RETRY, RUNS, STATE_FILE})
"""Names in the folder that no component's own place can have."""
_UNPACKED_SUFFIX = ".unpacked"
_NEXT = ".next"
_MOST_STATE_BYTES = 16 << 20
SPARE_BYTES = 4 << 20
"""That are left on the disk, for the state and what else must be written."""


class FolderTaken(Exception):  # noqa: N818 - named for the state it reports
    """Another agent has the folder; the text is one line."""


class DeviceFolder:
    """One agent's folder, made where it does not exist.

    Args:
        folder: on one disk.
        at: is told of steps.

    Raises:
        FolderTaken: an agent has it already.
        OSError: it cannot be made, or not be written.

    Attributes:
        path: as above.
        runs: where programs say what becomes of releases.
        moved_aside: what stood where a link belongs and was nobody's of this folder, by the names that it has now.
    """

    def __init__(self, folder: Path, at: At = lambda step: None) -> None:
        self.path = folder
        self.runs = folder / RUNS
        self._components = folder / COMPONENTS
        self._incoming = folder / INCOMING
        self._state = folder / STATE_FILE
        self._at = at
        self._intact = Intact()
        self._has_state = False
        self.moved_aside: list[Path] = []
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(folder / LOCK)
        self._make_folders()

    def close(self) -> None:
        """Lets the next agent have it."""
        os.close(self._lock)

    def renew(self) -> bool:
        """Makes anew what somebody removed meanwhile, the whole folder if need be; whether there was anything.

        Raises:
            FolderTaken: another agent has begun in its place.
            OSError: it cannot be made.
        """
        is_there = self._is_locked()
        if not is_there:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = _locked(self.path / LOCK)
            os.close(self._lock)
            self._lock = lock
        is_known = self._has_state and not self._state.exists()
        return self._make_folders() or not is_there or is_known

    def _is_locked(self) -> bool:
        """Whether the lock that is held is the one that another agent would find."""
        try:
            return os.path.samestat(os.fstat(self._lock), (self.path / LOCK).stat())
        except OSError:
            return False

    def _make_folders(self) -> bool:
        gone = [each for each in (self._components, self._incoming, self.runs) if not each.is_dir()]
        for each in gone:
            each.mkdir()
        return bool(gone)

    def read_state(self) -> tuple[DeviceState, str]:
        """The state, and what is wrong with the one on the disk; "" where nothing is.

        Where there is none that can be read, what `current` leads to is taken for what is current and good.
        """
        try:
            state = read_state_of(self.path)
            self._has_state = True
            return state, ""
        except FileNotFoundError:
            trouble = ""
        except (OSError, StateUnreadable) as error:
            trouble = f"{self._state} cannot be read, and is made anew: {error}"
        found = self._found_at(FIRST_PLACE)
        return DeviceState().with_place(FIRST_PLACE, Place(found)), trouble

    @property
    def is_asked_to_retry(self) -> bool:
        """Whether what was given up is to be tried again."""
        return (self.path / RETRY).exists()

    def has_retried(self) -> None:
        """It is; whoever asks again, asks anew."""
        (self.path / RETRY).unlink(missing_ok=True)

    def write_state(self, state: DeviceState) -> None:
        """Replaces the state; it is on the disk afterwards.

        Raises:
            OSError: it cannot be written; the one before stays.
        """
        write_locally(state.encode(), str(self._state))
        self._has_state = True
        self._at(Step.RECORDED)

    def whole(self, state: DeviceState) -> DeviceState:
        """The state without releases of which a byte is another: somebody changed or removed it, or a disk lost it."""
        for name, place in state.places.items():
            state = state.with_place(name, self._there(place))
        return state

    def mend(self, state: DeviceState) -> None:
        """Has the links follow the state, and removes what was half done, but what is to be fetched on.

        Raises:
            OSError: a link cannot be made.
        """
        for name in state.places:
            self.point(state, name)
        for link in self.path.glob(f"*/{CURRENT}"):
            is_ours = link.is_symlink() and str(link.readlink()).startswith(f"../{COMPONENTS}/")
            if is_ours and link.parent.name not in state.places:
                self.drop(link.parent.name)
        for left in (*self.path.glob(f".{STATE_FILE}.partial-*"), *self._incoming.glob(f"*{_UNPACKED_SUFFIX}")):
            remove_whatever(left)

    def point(self, state: DeviceState, name: str) -> None:
        """Has the link of a place lead to what the state says is current there, in one step.

        Raises:
            OSError: it cannot be made.
        """
        current, link = state.places[name].current, self.link(name)
        if current is None:
            return
        target = self._components / current.folder_name
        leads_to = os.path.relpath(target, link.parent)
        if _leads_to(link, leads_to):
            return
        self.make_way(name)
        link.parent.mkdir(exist_ok=True)
        following = _following(link)
        following.unlink(missing_ok=True)
        following.symlink_to(leads_to)
        self._at(Step.LINKED)
        following.replace(link)
        sync(link.parent)
        if not _leads_to(link, leads_to):
            raise OSError(errno.EBUSY, "somebody else changes it", str(link))
        self._at(Step.SWAPPED)

    def make_way(self, name: str) -> None:
        """Moves aside what stands where the link of a place belongs, and is none.

        Raises:
            OSError: it cannot be moved.
        """
        link = self.link(name)
        if link.parent != self.path and os.path.lexists(link.parent) and not link.parent.is_dir():
            self._move_aside(link.parent)
        for path in (link, _following(link)):
            if os.path.lexists(path) and not path.is_symlink():
                self._move_aside(path)

    def _move_aside(self, path: Path) -> None:
        names = (path.with_name(f"{path.name}.aside-{number}") for number in itertools.count(1))
        aside = next(each for each in names if not os.path.lexists(each))
        path.rename(aside)
        self.moved_aside.append(aside)

    def drop(self, name: str) -> None:
        """Removes the link of a place; never that of the first one."""
        assert name != FIRST_PLACE
        with contextlib.suppress(OSError):
            self.link(name).unlink(missing_ok=True)
            self.link(name).parent.rmdir()

    def link(self, name: str) -> Path:
        """Of a place."""
        return self.path / name / CURRENT if name else self.path / CURRENT

    def component(self, release: Installed) -> Path:
        """The folder of a release that lies here."""
        return self._components / release.folder_name

    def holds(self, release: Installed, anew: bool = False) -> bool:
        """Whether a release lies here, byte by byte; read again for it where `anew`, see `edge.intact`."""
        return self._intact.is_intact(self.component(release), release.manifest, anew)

    def archive(self, sha256: str) -> Path:
        """Where an archive is fetched to; beside it, with `PART_SUFFIX`, lies what has come of it."""
        return self._incoming / f"{sha256}.zip"

    @contextlib.contextmanager
    def unpacking(self, sha256: str) -> Iterator[Path]:
        """An empty folder, gone afterwards unless it was placed.

        Raises:
            OSError: it cannot be made.
        """
        folder = self._incoming / f"{sha256}{_UNPACKED_SUFFIX}"
        remove_tree(folder)
        folder.mkdir()
        try:
            yield folder
        finally:
            remove_tree(folder)

    def place(self, unpacked: Path, release: Installed) -> None:
        """Moves what was unpacked and probed to where it stays; the same that is there may be in use, and stays.

        Raises:
            OSError: it cannot be written to the disk, or not be moved.
        """
        for file in unpacked.iterdir():
            sync(file)
        sync(unpacked)
        self._at(Step.SYNCED)
        target = self.component(release)
        if not self.holds(release) or not _holds_the_same(target, unpacked):
            remove_whatever(target)
            unpacked.rename(target)
        sync(self._components)
        self._at(Step.PLACED)

    def clean(self, states: Iterable[DeviceState], fetched: Iterable[str] = ()) -> bool:
        """Removes all that is neither current, nor last good, nor on its way; whether there was anything.

        Args:
            states: each says what is: the one that is known, and any that the disk still holds or is to hold. What a
                link leads to stays, whatever they say.
            fetched: SHA-256 of archives that are still to come, whose parts stay.
        """
        components, parts = self._led_to(), set()
        for state in states:
            components |= state.releases().keys()
        for sha256 in fetched:
            parts |= {self.archive(sha256).name, self.archive(sha256).name + PART_SUFFIX}
        left = [path for path in _entries(self._components) if path.name not in components]
        left += [path for path in _entries(self._incoming) if path.name not in parts]
        for path in left:
            remove_whatever(path)
        return bool(left)

    def require_room(self, size: int, sha256: str) -> None:
        """Refuses to begin what cannot end: an archive, and what is unpacked of it.

        Raises:
            OSError: `ENOSPC`, with the figures.
        """
        archive = self.archive(sha256)
        parts = (archive, archive.with_name(archive.name + PART_SUFFIX))
        here = sum(each.stat().st_size for each in parts if each.exists())
        needed, free = 2 * size - here + SPARE_BYTES, self.free_bytes()
        if needed > free:
            raise OSError(
                errno.ENOSPC, f"no space left: {needed:,} bytes are needed, and {free:,} are free", str(self.path)
            )

    def free_bytes(self) -> int:
        """On the folder's disk, for this user."""
        return shutil.disk_usage(self.path).free

    def _led_to(self) -> set[str]:
        """The folders of components that links lead to."""
        links = (self.path / CURRENT, *self.path.glob(f"*/{CURRENT}"))
        targets = [link.readlink() for link in links if link.is_symlink()]
        return {target.name for target in targets if target.parent.name == COMPONENTS}

    def _there(self, place: Place) -> Place:
        """A place without releases whose folders are gone."""
        current, last_good = place.current, place.last_good
        if last_good is not None and not self.holds(last_good):
            last_good = None
        if current is not None and not self.holds(current):
            return Place(last_good)
        return Place(current, last_good, place.trial)

    def _found_at(self, name: str) -> Installed | None:
        """What a link leads to, where that is a component of this folder."""
        try:
            folder = self.link(name).resolve(strict=True)
            if folder.parent != self._components.resolve():
                return None
            written = manifest_in(folder)
            component = Component.decode(written)
        except (OSError, ComponentRefused):
            return None
        # The rest of the archive's digest is not known here; what is desired is fetched once more.
        digest = hashlib.sha256(written).hexdigest()
        return Installed(component.name, component.version, folder.name, digest, component.model_id)


def _following(link: Path) -> Path:
    """What is to replace a link, beside it."""
    return link.with_name(f".{link.name}{_NEXT}")


def _leads_to(link: Path, target: str) -> bool:
    return link.is_symlink() and str(link.readlink()) == target


def read_state_of(folder: Path) -> DeviceState:
    """What the agent of a folder wrote down last; it may be at work meanwhile.

    Raises:
        StateUnreadable, OSError: nothing, or nothing that can be read.
    """
    return DeviceState.decode(read_start(folder / STATE_FILE, _MOST_STATE_BYTES))


def _holds_the_same(folder: Path, other: Path) -> bool:
    names = sorted(path.name for path in other.iterdir())
    same, _, _ = filecmp.cmpfiles(folder, other, names, shallow=False)
    return same == names


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []


def _locked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise FolderTaken(f"another agent keeps {path.parent}; one a folder") from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
