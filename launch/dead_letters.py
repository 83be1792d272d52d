"""Dead letters as they were written: found, read, and turned into the messages that they came from."""

from __future__ import annotations

import base64
import io
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from rich.console import Console

from launch.any_storage import any_storage
from launch.command_line import CommandFailed, CommandRefused
from models.errors import ImageFault, one_line
from models.records import REPLAY_OF
from models.storage import ReadableFile
from models.storage.errors import StorageUnavailable
from transforms.pubsub.publisher import Outgoing, Publishers

_MAX_ATTRIBUTES = 100
_BATCH = 200
_PROGRESS_MESSAGES = 5000
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which dead letters are replayed; an empty set means any that was to name an image, and feedback was not."""

    errors: frozenset[str]
    stages: frozenset[str]

    def __contains__(self, letter: dict[str, Any]) -> bool:
        is_asked_for = letter["error"] in self.errors if self.errors else letter["error"] != ImageFault.BAD_FEEDBACK
        return is_asked_for and (not self.stages or letter["stage"] in self.stages)


@dataclass(slots=True)
class Replaying:
    """A replay under way; `topic` is None where nothing shall be published."""

    console: Console
    wanted: Wanted
    topic: str | None
    publishers: Publishers = field(default_factory=Publishers)
    counts: Counter[str] = field(default_factory=Counter)
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    _waiting: list[Outgoing] = field(default_factory=list)

    def go(self, lines: Iterable[tuple[str, bytes]]) -> None:
        """Takes each line in; `lines` are (where it is, the line)."""
        for where, line in lines:
            self._take(where, line)
            if len(self._waiting) >= _BATCH:
                self._publish()
        self._publish()

    def told(self) -> str:
        """What became of the lines so far, in one line."""
        did = "would be published" if self.topic is None else f"published to {self.topic}"
        parts = [f"{self.counts['read']} dead letters read: {self.counts['published']} {did}"]
        for count, meaning in (("others", "of other errors or stages"), ("unreadable", "unreadable")):
            if self.counts[count]:
                parts.append(f"{self.counts[count]} {meaning}")
        return ", ".join(parts)

    def _take(self, where: str, line: bytes) -> None:
        if not line.endswith(b"\n"):
            self.console.print(f"{where}: not finished, it is left out; is it being written?")
            return
        try:
            letter = json.loads(line)
            wanted = letter in self.wanted
            message = message_of(letter)
            kind = str(letter["stage"]), str(letter["error"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self.counts["unreadable"] += 1
            self.console.print(f"{where}: no dead letter, it is left out")
            return
        self.counts["read"] += 1
        if not wanted:
            self.counts["others"] += 1
            return
        self._waiting.append(message)
        self.kinds[kind] += 1

    def _publish(self) -> None:
        if self.topic is not None and self._waiting:
            self.publishers.of(self.topic).publish(self._waiting)
        before = self.counts["published"] // _PROGRESS_MESSAGES
        self.counts["published"] += len(self._waiting)
        self._waiting.clear()
        if self.counts["published"] // _PROGRESS_MESSAGES > before:
            self.console.print(self.told())


def message_of(letter: dict[str, Any]) -> Outgoing:
    """The message that a dead letter came from, and that it did.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is no dead letter.
    """
    if "image" in letter:
        data = letter["image"].encode("utf-8", "surrogatepass")
    else:
        data = base64.b64decode(letter["payload"], validate=True)
    attributes = {str(name): str(value) for name, value in letter["attributes"].items()}
    if REPLAY_OF not in attributes and len(attributes) < _MAX_ATTRIBUTES:
        attributes[REPLAY_OF] = str(letter["message_id"])
    return Outgoing(data, attributes)


def lines_of(dead_letters: str) -> Iterator[tuple[str, bytes]]:
    """Every line, and where it is.

    Args:
        dead_letters: a file, a folder of `.jsonl` files, a glob with a scheme, or `-` for standard input.

    Raises:
        CommandRefused: there is nothing to read.
        CommandFailed: a file cannot be read to its end.
    """
    if dead_letters == "-":
        yield from ((f"line {number}", line) for number, line in enumerate(sys.stdin.buffer, 1))
        return
    for name, file in _files(dead_letters):
        try:
            with file:
                for number, line in enumerate(file, 1):
                    yield f"{name}, line {number}", line
        except (OSError, StorageUnavailable) as error:
            raise CommandFailed(f"{name} cannot be read: {_reason(error)}") from error


def _files(dead_letters: str) -> Iterator[tuple[str, IO[bytes]]]:
    try:
        names = _names(dead_letters)
        if not names:
            raise CommandRefused(f"{dead_letters} has no files of dead letters")
        for name in names:
            yield name, _opened(name)
    except (OSError, ValueError, StorageUnavailable) as error:
        raise CommandRefused(f"{dead_letters} cannot be read: {_reason(error)}") from error


def _names(dead_letters: str) -> list[str]:
    if "://" in dead_letters:
        return sorted(file.uri for file in any_storage().list(dead_letters))
    path = Path(dead_letters)
    return [str(each) for each in sorted(path.glob("*.jsonl"))] if path.is_dir() else [dead_letters]


def _opened(name: str) -> IO[bytes]:
    if "://" in name:
        return io.BufferedReader(_RawReading(any_storage().open(name)), _READ_BYTES)
    return Path(name).open("rb")  # a pipe too, which no storage reads


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or one_line(error)


class _RawReading(io.RawIOBase):
    """A file of a storage, as `io` takes it, which splits it into lines."""

    def __init__(self, file: ReadableFile) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
