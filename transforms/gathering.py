"""Batches made of requests, before anything is read: what waits in state is paths, not pixels."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp

from models.records import ImageRequest

KEYS_A_PROCESS = 2
"""A runner works on one batch of a key at a time: while that of the one is answered, that of the other is read."""

_PROCESS = uuid.uuid4().hex
_turns = itertools.count()


class GatherRequests(beam.PTransform):
    """Lets requests wait for each other, across bundles, and go on together: as many as one batch may have.

    What goes at once is read, decoded and answered in one bundle, and so as one batch. Each request keeps its timestamp
    and window. They wait in the state of Beam's `GroupIntoBatches`, which lets them go when a job is drained.

    `RunInference` can wait too, but behind decoding, with the pixels of each image, 0.6 to 3 MB, in its state.

    Args:
        batch_size: how many go at once.
        wait_ms: the longest that one waits for others.
    """

    def __init__(self, batch_size: int, wait_ms: int) -> None:
        super().__init__()
        self._batch_size = batch_size
        self._wait_ms = wait_ms

    def expand(self, requests: beam.PCollection) -> beam.PCollection:
        keyed = beam.ParDo(_Keyed(self._batch_size))
        return (
            requests
            | "Key" >> keyed.with_output_types(tuple[str, tuple[ImageRequest, Timestamp]])
            | "ForAWhile" >> beam.GroupIntoBatches(self._batch_size, self._wait_ms / 1000)
            | "OneByOne" >> beam.FlatMapTuple(_with_their_times).with_output_types(ImageRequest)
        )


class _Keyed(beam.DoFn):
    """Gives each batch's worth of requests one key, of this process alone, in turn."""

    def __init__(self, batch_size: int) -> None:
        super().__init__()
        self._batch_size = batch_size

    def process(self, request: ImageRequest, timestamp: Any = beam.DoFn.TimestampParam) -> Iterator[Any]:
        turn = next(_turns) // self._batch_size % KEYS_A_PROCESS
        yield f"{_PROCESS}/{turn}", (request, timestamp)


def _with_their_times(key: str, batch: list[tuple[ImageRequest, Timestamp]]) -> Iterator[TimestampedValue]:
    for request, timestamp in batch:
        yield TimestampedValue(request, timestamp)
