"""Between a job and a host: shared memory for a batch and its answer, and two pipes that say whose turn it is.

What a host writes is a stranger's: it is read as numbers of a shape that is known, and as one short line of text.
"""

from __future__ import annotations

import fcntl
import math
import mmap
import os
import select
import struct
import tempfile
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.artefacts import WIDEST_NUMBER, Manifest
from models.engines.engine import Outputs

ROOM_BYTES = 64 << 20
"""For the images of a lane and their answers; larger batches take turns."""
_MOST_IMAGES = 4096
_ALIGNED = 64
_ASKED = struct.Struct("<I")
_LONGEST_ANSWER = 1024
"""Bytes, which a pipe takes as one."""
_SEALS = getattr(fcntl, "F_SEAL_SHRINK", 0) | getattr(fcntl, "F_SEAL_GROW", 0) | getattr(fcntl, "F_SEAL_SEAL", 0)


class HostsEnds(NamedTuple):
    """What a host gets of a lane: descriptors of its memory, of what is asked and of what it answers."""

    memory: int
    asked: int
    answered: int


class Room:
    """A piece of memory that two processes share, laid out for one model.

    Args:
        memory: descriptor of a file that is as long as it is laid out.
        manifest: says the shapes of images and outputs.
        images: how many there is room for.
    """

    def __init__(self, memory: int, manifest: Manifest, images: int) -> None:
        self._manifest = manifest
        self._starts, size = _laid_out(manifest, images)
        self._bytes = mmap.mmap(memory, size)

    def batch(self, images: int) -> NDArray[Any]:
        """The place of so many images, shape (images, *input_shape)."""
        return self._array(0, (images, *self._manifest.input_shape), np.dtype(self._manifest.input_dtype))

    def output(self, index: int, images: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        """The place of one output for so many images, shape (images, …)."""
        return self._array(self._starts[index + 1], (images, *self._manifest.outputs[index].shape), dtype)

    def _array(self, start: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        return np.ndarray(shape, dtype, self._bytes, start)


class Lane:
    """The job's end: one batch at a time goes through.

    Args:
        manifest: of the model that answers.
        images: how many there is room for.
    """

    def __init__(self, manifest: Manifest, images: int) -> None:
        memory = _memory(_laid_out(manifest, images)[1])
        self._room = Room(memory, manifest, images)
        asked, self._ask = os.pipe()
        self._answered, answered = os.pipe()
        for own in (self._ask, self._answered):  # the host may fill the one, and take back what is in the other
            os.set_blocking(own, False)
        self.hosts_ends = HostsEnds(memory, asked, answered)
        self._closed = False

    def handed_over(self) -> None:
        """Lets go of the host's ends, so that its end is heard."""
        for descriptor in self.hosts_ends:
            os.close(descriptor)

    def ask(self, batch: NDArray[Any]) -> None:
        """Sends a batch.

        Raises:
            OSError: the host is gone, or hears nobody.
        """
        self._room.batch(len(batch))[...] = batch
        os.write(self._ask, _ASKED.pack(len(batch)))

    def answered(self, seconds: float) -> bool:
        """Waits for an answer, or for the end of the host; whether there is one of them."""
        poll = select.poll()
        poll.register(self._answered, select.POLLIN)
        return bool(poll.poll(1000 * seconds))

    def answer(self) -> str:
        """What the host answers: "" where the outputs are there, else what went wrong.

        Raises:
            EOFError: the host is gone.
            OSError: it has taken its answer back.
        """
        answer = os.read(self._answered, _LONGEST_ANSWER)
        if not answer:
            raise EOFError
        return answer.decode("utf-8", "replace").strip("\n")

    def outputs(self, images: int, dtypes: Iterable[np.dtype[Any]]) -> Outputs:
        """A copy of each output: the host may go on to write."""
        return tuple(self._room.output(index, images, dtype).copy() for index, dtype in enumerate(dtypes))

    def close(self) -> None:
        """Lets go of the pipes; the memory goes with the last view of it."""
        if not self._closed:
            self._closed = True
            os.close(self._ask)
            os.close(self._answered)


class HostsLane:
    """The host's end.

    Args:
        ends: what it was given of the lane.
        manifest: of the model that answers.
        images: how many there is room for.
    """

    def __init__(self, ends: HostsEnds, manifest: Manifest, images: int) -> None:
        self._room = Room(ends.memory, manifest, images)
        self._asked, self._answered = ends.asked, ends.answered

    def asked(self) -> NDArray[Any]:
        """Waits for the next batch.

        Raises:
            EOFError: the job is gone.
        """
        asked = os.read(self._asked, _ASKED.size)
        if len(asked) < _ASKED.size:
            raise EOFError
        return self._room.batch(*_ASKED.unpack(asked))

    def answer(self, outputs: Outputs) -> None:
        """Sends what the model answered, whose shapes are right."""
        for index, output in enumerate(outputs):
            self._room.output(index, len(output), output.dtype)[...] = output
        os.write(self._answered, b"\n")

    def refuse(self, text: str) -> None:
        """Sends what went wrong, in a line that is not empty."""
        os.write(self._answered, text.encode("utf-8", "replace")[:_LONGEST_ANSWER])


def images_of_a_lane(manifest: Manifest) -> int:
    """For how many images a lane has room."""
    return max(1, min(_MOST_IMAGES, ROOM_BYTES // manifest.bytes_an_image))


def _sizes(manifest: Manifest) -> list[int]:
    """Bytes of an image, and of each output for it at most; at least one."""
    return [manifest.image_bytes, *(math.prod(output.shape) * WIDEST_NUMBER for output in manifest.outputs)]


def _laid_out(manifest: Manifest, images: int) -> tuple[list[int], int]:
    """Where the images and each output begin, and where all of it ends."""
    starts, end = [], 0
    for size in _sizes(manifest):
        starts.append(end)
        end += -(-images * size // _ALIGNED) * _ALIGNED
    return starts, end


def _memory(size: int) -> int:
    """The descriptor of so much memory, which nobody can shorten while it is looked at, where the system can that."""
    if not hasattr(os, "memfd_create"):
        with tempfile.TemporaryFile() as file:
            file.truncate(size)
            return os.dup(file.fileno())
    memory = os.memfd_create("lane", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(memory, size)
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, _SEALS)
    return memory
