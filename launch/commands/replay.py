"""`hotswap replay`: publishes the messages behind dead letters again, once what stopped them is mended."""

from __future__ import annotations

import base64
import binascii
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from rich.console import Console

from launch.command_line import CommandFailed, CommandRefused
from models.errors import ImageFault, one_line
from models.records import Stage
from transforms.pubsub.access import check_topics
from transforms.pubsub.errors import PublishingRefused, PubSubRefused
from transforms.pubsub.publisher import Outgoing, Publishers

app = typer.Typer(add_completion=False)

REPLAY_OF = "hotswap_replay_of"
"""The attribute that a replayed message bears: the id of the message that became a dead letter first."""

_MAX_ATTRIBUTES = 100
_BATCH = 200
_PROGRESS_MESSAGES = 5000
_TOPIC_SECONDS = 10.0


@app.command()
def replay(
    dead_letters: Annotated[
        str, typer.Argument(help="A file of dead letters as JSON Lines, a folder of such files, a gs:// glob, or -.")
    ],
    topic: Annotated[str, typer.Option(help="Where to publish them: projects/P/topics/T.")],
    error: Annotated[list[ImageFault] | None, typer.Option(help="Only those with this error. Repeatable.")] = None,
    stage: Annotated[list[str] | None, typer.Option(help="Only those of this stage. Repeatable.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Publish nothing, say what would be.")] = False,
) -> int:
    """Publish the messages of dead letters again, with their attributes.

    Each is published with the attribute hotswap_replay_of: the id of the message that it was first. Works with
    PUBSUB_EMULATOR_HOST as with the service.
    """
    for name in stage or []:
        if name not in get_args(Stage):
            raise CommandRefused(f"--stage {name} is none of {', '.join(get_args(Stage))}")
    wanted = _Wanted(frozenset(error or ()), frozenset(stage or ()))
    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    if not dry_run:
        _check_topic(topic)
    replaying = _Replaying(console, wanted, None if dry_run else topic)
    try:
        replaying.go(_lines(dead_letters))
    except PublishingRefused as refused:
        raise CommandFailed(f"{refused}; {replaying.told()}") from refused
    except KeyboardInterrupt:
        console.print(f"interrupted: {replaying.told()}")
        raise
    console.print(replaying.told())
    for (its_stage, its_error), number in sorted(replaying.kinds.items()):
        console.print(f"  {number:6d}  {its_stage} {its_error}")
    return 1 if replaying.counts["unreadable"] else 0


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which dead letters are replayed; an empty set means any."""

    errors: frozenset[str]
    stages: frozenset[str]

    def __contains__(self, letter: dict[str, Any]) -> bool:
        return (not self.errors or letter["error"] in self.errors) and (
            not self.stages or letter["stage"] in self.stages
        )


@dataclass(slots=True)
class _Replaying:
    """A replay under way; `topic` is None where nothing shall be published."""

    console: Console
    wanted: _Wanted
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
        self.counts["read"] += 1
        try:
            letter = json.loads(line)
            if letter not in self.wanted:
                self.counts["others"] += 1
                return
            self._waiting.append(message_of(letter))
            self.kinds[letter["stage"], letter["error"]] += 1
        except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
            self.counts["unreadable"] += 1
            self.console.print(f"{where}: no dead letter, it is left out")

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


def _lines(dead_letters: str) -> Iterator[tuple[str, bytes]]:
    """Every line, and where it is.

    Raises:
        CommandRefused: there is nothing to read.
    """
    if dead_letters == "-":
        yield from ((f"line {number}", line) for number, line in enumerate(sys.stdin.buffer, 1))
        return
    for name, file in _files(dead_letters):
        try:
            with file:
                for number, line in enumerate(file, 1):
                    yield f"{name}, line {number}", line
        except OSError as error:
            raise CommandFailed(f"{name} cannot be read: {error.strerror or error}") from error


def _files(dead_letters: str) -> Iterator[tuple[str, Any]]:
    try:
        if "://" in dead_letters:
            from apache_beam.io.filesystems import FileSystems

            [matched] = FileSystems.match([dead_letters])
            found = [(each.path, FileSystems.open) for each in matched.metadata_list]
        else:
            path = Path(dead_letters)
            paths = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
            found = [(str(each), _open) for each in paths]
        if not found:
            raise CommandRefused(f"{dead_letters} has no files of dead letters")
        for name, opened in found:
            yield name, opened(name)
    except CommandRefused:
        raise
    except Exception as error:  # each file system has errors of its own
        reason = getattr(error, "strerror", None) or one_line(error)
        raise CommandRefused(f"{dead_letters} cannot be read: {reason}") from error


def _open(name: str) -> Any:
    return Path(name).open("rb")


def _check_topic(topic: str) -> None:
    if topic.count("/") != 3 or not topic.startswith("projects/") or "/topics/" not in topic:
        raise CommandRefused(f"--topic is {topic!r}; projects/PROJECT/topics/NAME is expected")
    try:
        check_topics([topic])
    except PubSubRefused as error:
        raise CommandRefused(f"{topic} cannot be published to: {error}") from error
