"""Records as new JSON Lines files of a folder that many workers share; a bundle tried again makes no second file."""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import apache_beam as beam
from apache_beam.transforms import window
from apache_beam.transforms.trigger import AccumulationMode, AfterAny, AfterCount, AfterProcessingTime, Repeatedly

from transforms.beam_files import create_as_it_is
from transforms.process import JobRun

REMOTE_FILE_SECONDS = 30
REMOTE_FILE_RECORDS = 10_000
REMOTE_FILE_BYTES = 8 << 20
"""Of one file, unless a single record has more: it crosses a shuffle as one element, of which Dataflow takes 80 MB."""
SHARDS = 16
"""One takes some megabytes a second; all of them make as many small files in half a minute where records are few."""

_DIGITS = 16


class NewFile(NamedTuple):
    """A file that is about to be written.

    Attributes:
        name: of the file in its folder.
        counter: of what is written.
        records: how many lines it has.
        data: all of its bytes.
    """

    name: str
    counter: str
    records: int
    data: bytes


def shard_key(counter: str, line: bytes) -> str:
    """The key under which a record waits for its file: the same for the same bytes, on any worker and in any try."""
    return f"{counter}/{zlib.crc32(line) % SHARDS:02}"


class WriteNewFiles(beam.PTransform):
    """Gathers lines, keyed by `shard_key`, for half a minute or ten thousand of a shard; each group is a new file.

    A group that is taken from state again, after its bundle failed, may hold other records than the first time. So the
    name and the bytes of each file go through a shuffle before anything is written: a runner that processes exactly
    once commits them there, and whoever writes it again writes the same file, whole and in one step.

    Beam's own transforms do not do: `fileio.WriteToFiles` takes one firing a window, names files by their place in a
    list, and drops what it cannot rename; `WriteToText` puts a stream into windows of its own, and drops what is late.

    Args:
        folder: its address, with a scheme.
        run: whose counters they are.
    """

    def __init__(self, folder: str, run: JobRun) -> None:
        super().__init__()
        self._folder = folder.rstrip("/")
        self._run = run

    def expand(self, lines: beam.PCollection) -> beam.PCollection:
        return (
            lines
            | "ForAWhile"
            >> beam.WindowInto(
                window.GlobalWindows(),
                trigger=Repeatedly(AfterAny(AfterCount(REMOTE_FILE_RECORDS), AfterProcessingTime(REMOTE_FILE_SECONDS))),
                accumulation_mode=AccumulationMode.DISCARDING,
            )
            | "Group" >> beam.GroupByKey()
            | "NameFiles" >> beam.FlatMap(files_of).with_output_types(NewFile)
            | "Settle" >> beam.Reshuffle()
            | "WriteFile" >> beam.ParDo(_WriteFile(self._run, self._folder))
        )


def files_of(shard: tuple[str, Iterable[bytes]]) -> Iterator[NewFile]:
    """The files that the lines of a shard make, named by the present second, the shard and a digest of their bytes."""
    counter, _, number = shard[0].partition("/")
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    for lines in _of_one_file(shard[1]):
        data = b"".join(lines)
        name = f"{moment}-{number}-{hashlib.sha256(data).hexdigest()[:_DIGITS]}.jsonl"
        yield NewFile(name, counter, len(lines), data)


def _of_one_file(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    gathered: list[bytes] = []
    size = 0
    for line in lines:
        if gathered and size + len(line) >= REMOTE_FILE_BYTES:
            yield gathered
            gathered, size = [], 0
        gathered.append(line + b"\n")
        size += len(line) + 1
    if gathered:
        yield gathered


class _WriteFile(beam.DoFn):
    def __init__(self, run: JobRun, folder: str) -> None:
        super().__init__()
        self._run = run
        self._folder = folder

    def process(self, new: NewFile) -> Iterable[str]:
        path = f"{self._folder}/{new.name}"
        with create_as_it_is(path, "application/jsonl") as target:
            target.write(new.data)
        self._run.here.meter.count(new.counter, new.records)
        yield path
