"""Where records end: one Pub/Sub message each, or JSON Lines files."""

from __future__ import annotations

import json
import logging
import os
import stat
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.io.gcp.pubsub import WriteToPubSub
from apache_beam.transforms import window
from apache_beam.transforms.trigger import AccumulationMode, AfterAny, AfterCount, AfterProcessingTime, Repeatedly

_LOGGER = logging.getLogger(__name__)

REMOTE_FILE_SECONDS = 30
REMOTE_FILE_RECORDS = 10_000


class WriteJson(beam.PTransform):
    """Writes records, dicts or whatever has `to_json`, to a topic or a path; to neither, it logs them.

    A path with a scheme (`gs://…`) is a folder that gets a new file every half minute. A local path that ends in
    `.jsonl`, or is a file, a pipe or a device, is appended to; any other local path is a folder in which
    `records.jsonl` is.

    Args:
        topic: `projects/P/topics/T`.
        path: as above.
    """

    def __init__(self, topic: str | None = None, path: str | None = None) -> None:
        super().__init__()
        self._topic = topic
        self._path = path

    def expand(self, records: beam.PCollection) -> Any:
        if self._topic:
            return records | "Encode" >> beam.Map(encode) | "Publish" >> WriteToPubSub(self._topic)
        if self._path and "://" in self._path:
            return records | "EncodeLine" >> beam.Map(encode) | "NewFiles" >> _WriteNewFiles(self._path)
        if self._path:
            return records | "Append" >> beam.ParDo(_AppendLines(self._path))
        return records | "Log" >> beam.Map(_log)


def _log(record: Any) -> None:
    _LOGGER.warning("%s", encode(record).decode())


def encode(record: Any) -> bytes:
    """A record as UTF-8 JSON on one line, without the line's end."""
    plain = record if isinstance(record, dict) else record.to_json()
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


class _AppendLines(beam.DoFn):
    """Appends each bundle's lines with one write, so that a kill between two bundles leaves whole lines."""

    def __init__(self, path: str) -> None:
        self._path = path

    def start_bundle(self) -> None:
        self._lines: list[bytes] = []

    def process(self, record: Any) -> None:
        self._lines.append(encode(record) + b"\n")

    def finish_bundle(self) -> None:
        if self._lines:
            append_whole(appendable(self._path), b"".join(self._lines))


def appendable(path: str) -> Path:
    """The file that a local output path means; its folder is made.

    Raises:
        OSError: the folder cannot be made.
    """
    target = Path(path)
    if target.suffix != ".jsonl" and (target.is_dir() or not target.exists()):
        target = target / "records.jsonl"
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def append_whole(path: Path, data: bytes) -> None:
    """Appends `data`, all of it or nothing.

    Raises:
        OSError: the disk is full, say; the file is as it was.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        status = os.fstat(descriptor)
        written = 0
        try:
            while written < len(data):
                written += os.write(descriptor, data[written:])
        except OSError:
            if stat.S_ISREG(status.st_mode):
                os.ftruncate(descriptor, status.st_size)
            raise
    finally:
        os.close(descriptor)


def drop_half_line(path: Path) -> int:
    """Cuts off what follows the last line's end: half a line that a killed run left. Returns the bytes cut."""
    if not path.is_file():
        return 0
    with path.open("r+b") as file:
        size = end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - 65536)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        file.truncate(end)
    return size - end


class _WriteNewFiles(beam.PTransform):
    """Groups lines for half a minute or ten thousand of them, and writes each group as one new file."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._folder = folder.rstrip("/")

    def expand(self, lines: beam.PCollection) -> beam.PCollection:
        return (
            lines
            | "InOneKey" >> beam.WithKeys("")
            | "ForAWhile"
            >> beam.WindowInto(
                window.GlobalWindows(),
                trigger=Repeatedly(AfterAny(AfterCount(REMOTE_FILE_RECORDS), AfterProcessingTime(REMOTE_FILE_SECONDS))),
                accumulation_mode=AccumulationMode.DISCARDING,
            )
            | "Group" >> beam.GroupByKey()
            | "WriteFile" >> beam.ParDo(_WriteFile(self._folder))
        )


class _WriteFile(beam.DoFn):
    def __init__(self, folder: str) -> None:
        self._folder = folder

    def process(self, grouped: tuple[str, Iterable[bytes]]) -> Iterable[str]:
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        path = f"{self._folder}/{moment}-{uuid.uuid4().hex[:12]}.jsonl"
        with FileSystems.create(path, "application/jsonl", CompressionTypes.UNCOMPRESSED) as file:
            for line in grouped[1]:
                file.write(line + b"\n")
        yield path
