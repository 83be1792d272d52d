"""Downloading one archive: it goes on after a cut, and is not there before every byte of it was proved."""

from __future__ import annotations

import errno
import http.client
import os
import re
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from edge.connections import (
    Connections,
    Pace,
    Stopped,
    TooMuchHead,
    TooSlow,
    checked_address,
    why,
)
from edge.partial_file import PartialFile, digest_of
from models.errors import FetchFailed, FetchFault, one_line
from models.printable import printable
from models.storage.errors import FULL_DISK
from models.storage.local import open_without_waiting
from models.version import VERSION

PART_SUFFIX = ".part"
"""What the name of an archive has while it is not whole."""
SILENT_SECONDS = 30.0
LEAST_BYTES = 16 << 10
LONGEST_SECONDS = 900.0
_CHUNK_BYTES = 256 << 10
_NO_MORE = frozenset({400, 401, 403, 404, 410})
"""Answers where an address is good no longer. Google's storage answers 400 to one that has run out."""
_LATER = frozenset({408, 425, 429})
_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15}|\*)", re.ASCII)


class FetchStopped(Exception):  # noqa: N818 - somebody asked for it, nothing failed
    """A download was asked to stop; what has come lies there, and the next one goes on with it.

    Attributes:
        received: bytes that came over the wire this time.
    """

    def __init__(self, received: int) -> None:
        super().__init__("the download was asked to stop")
        self.received = received


class Fetching:
    """Downloads archives, by their SHA-256 and size. One thread downloads to one target.

    Args:
        authorities: certificates in PEM that storages are known by, in place of the system's; None: the system's.
        allow_plain: whether `http://` may be of other machines than this.
        allow_here: whether it may be of this machine; where whoever tells addresses is on it.
        seconds: in which each `least` bytes must come.
        least: as above.
        longest: seconds for one call; a download that takes longer goes on with the next.

    Raises:
        KeyUnusable: there are no certificates in the file, or it cannot be read.
    """

    def __init__(
        self,
        authorities: Path | None,
        allow_plain: bool = False,
        allow_here: bool = False,
        seconds: float = SILENT_SECONDS,
        least: int = LEAST_BYTES,
        longest: float = LONGEST_SECONDS,
    ) -> None:
        self._connections = Connections(authorities)
        self._allowed = (allow_plain, allow_here)
        self._patience = (seconds, least, longest)

    def fetch(
        self, url: str, sha256: str, size: int, target: Path, stop: threading.Event, told: Callable[[int], None]
    ) -> int:
        """Downloads an archive, or the rest of it, and puts it at `target` once it is whole and on the disk.

        What has come lies beside it until then, its name with `.part` after it, and never has more than `size` bytes.
        It stays for the next call, unless it turns out to be of other bytes, or the disk is full.

        Args:
            url: where it is read; nothing is sent there but the address itself.
            sha256: of it, all 64 hexadecimal digits.
            size: of it, in bytes.
            target: where it is to be; its folder is made. What is there already is taken, where it is the archive.
            stop: ends it.
            told: is given how many bytes of it lie there, each time that there are more.

        Returns:
            Bytes that came over the wire; 0 where all was there.

        Raises:
            FetchFailed: it has not come; the word says what to do.
            FetchStopped: `stop` was set.
            OSError: of this machine's disk; a full one has back what had come.
        """
        part = PartialFile(target.with_name(target.name + PART_SUFFIX))
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if _is_whole(target, sha256, size, stop):
                part.remove()
                return 0
            with part.opened(size, stop):
                self._complete(url, sha256, size, part, stop, told)
                part.place(target)
            return part.received
        except Stopped as error:
            raise FetchStopped(part.received) from error
        except FetchFailed as failure:
            failure.received = part.received
            raise
        except OSError as error:
            if error.errno in FULL_DISK:
                part.remove()
            raise

    def _complete(
        self, url: str, sha256: str, size: int, part: PartialFile, stop: threading.Event, told: Callable[[int], None]
    ) -> None:
        """Fills a part until it is the archive."""
        while True:
            if part.have < size:
                _require_room(part, size)
                self._fill(url, size, part, Pace(stop, *self._patience), told)
            elif part.hexdigest() == sha256:
                return
            elif part.resumed:  # what lay there may have been spoiled, by a power cut say: once more, from nothing
                part.begin_anew()
            else:
                part.remove()
                raise FetchFailed(FetchFault.WRONG_DIGEST, "what lies at its address has other bytes than are desired")

    def _fill(self, url: str, size: int, part: PartialFile, pace: Pace, told: Callable[[int], None]) -> None:
        """Reads one answer into a part; leaves an empty part where the storage has no such rest."""
        headers = {"Accept-Encoding": "identity", "User-Agent": f"hotswap-edge/{VERSION}"}
        if part.have:
            headers["Range"] = f"bytes={part.have}-"
        with ExitStack() as left:
            with _told_apart(part):
                address = checked_address(url, *self._allowed)
                response = left.enter_context(self._connections.answer(address, headers, pace))
            if response.status == 416 and part.have:
                part.begin_anew()
                return
            _require_archive(response, size, part)
            while part.have < size:
                piece = _read(response, min(_CHUNK_BYTES, size - part.have), part)
                if not piece:
                    raise FetchFailed(FetchFault.INTERRUPTED, f"it ended after {part.have:,} of {size:,} bytes")
                pace.came(len(piece))
                part.write(piece)
                told(part.have)


def _read(response: http.client.HTTPResponse, most: int, part: PartialFile) -> bytes:
    with _told_apart(part):
        piece = response.read1(most)
    if len(piece) > most:  # `http.client` believes chunks of a negative size
        raise FetchFailed(FetchFault.BAD_ANSWER, "the storage sends more than it said")
    return piece


def _require_archive(response: http.client.HTTPResponse, size: int, part: PartialFile) -> None:
    """Refuses an answer that is not the rest of the archive, or the whole of it; a part begins anew for the latter.

    Raises:
        FetchFailed: with the reason.
    """
    status = response.status
    if status in _NO_MORE:
        raise FetchFailed(FetchFault.EXPIRED, f"its address is good no longer: the storage answers {status}")
    if status >= 500 or status in _LATER:
        raise FetchFailed(FetchFault.UNREACHABLE, f"the storage answers {status}; it may pass")
    if 300 <= status < 400:
        raise FetchFailed(FetchFault.BAD_ANSWER, f"the storage leads elsewhere ({status}), and no redirect is followed")
    if status not in (200, 206):
        raise FetchFailed(FetchFault.BAD_ANSWER, f"the storage answers {status}")
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.strip().lower() not in ("", "identity"):
        raise FetchFailed(FetchFault.BAD_ANSWER, f"the storage packs what it sends ({printable(encoding)[:40]})")
    if status == 200:
        if response.length is not None and response.length != size:
            raise _of_another_size(response.length, size)
        part.begin_anew()
        return
    stated = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if stated and stated[3] not in ("*", str(size)):
        raise _of_another_size(int(stated[3]), size)
    if not part.have or not stated or int(stated[1]) != part.have or int(stated[2]) >= size:
        part.begin_anew()  # or it would be asked for the same, and answer the same, for ever
        raise FetchFailed(FetchFault.BAD_ANSWER, "the storage sends another part than it was asked for")


def _of_another_size(found: int, size: int) -> FetchFailed:
    return FetchFailed(
        FetchFault.WRONG_DIGEST, f"what lies at its address has {found:,} bytes, and {size:,} are desired"
    )


@contextmanager
def _told_apart(part: PartialFile) -> Iterator[None]:
    """Gives what goes wrong between this machine and a storage a word."""
    broken = FetchFault.INTERRUPTED if part.received else FetchFault.UNREACHABLE
    try:
        yield
    except (http.client.RemoteDisconnected, http.client.IncompleteRead) as error:
        raise FetchFailed(broken, "the storage hung up") from error
    except (http.client.HTTPException, TooMuchHead) as error:
        raise FetchFailed(FetchFault.BAD_ANSWER, f"that is no answer: {printable(one_line(error))}") from error
    except TooSlow as error:
        raise FetchFailed(broken, str(error)) from error
    except OSError as error:
        raise FetchFailed(broken, why(error)) from error
    except ValueError as error:
        raise FetchFailed(FetchFault.BAD_ADDRESS, printable(one_line(error))) from error


def _require_room(part: PartialFile, size: int) -> None:
    needed, free = size - part.have, shutil.disk_usage(part.path.parent).free
    if needed > free:
        raise OSError(
            errno.ENOSPC, f"{needed:,} bytes are more than there is room for, {free:,}", str(part.path.parent)
        )


def _is_whole(path: Path, sha256: str, size: int, stop: threading.Event) -> bool:
    """Whether an archive lies there already; what else does goes away."""
    try:
        with open(path, "rb", opener=open_without_waiting) as file:
            status = os.fstat(file.fileno())
            is_file = stat.S_ISREG(status.st_mode) and status.st_size == size
            if is_file and digest_of(file, stop).hexdigest() == sha256:
                return True
    except FileNotFoundError:
        return False
    path.unlink()
    return False
