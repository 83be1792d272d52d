"""A well-behaved client that asks on and on while others do what they like."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from tests.sample_images import encoded, small
from tests.serving.over_grpc.speaking import PREDICT, images_request, speaking, texts_of
from tests.waiting import eventually


class Neighbour:
    """What became of a client's requests.

    Attributes:
        answers: how many it got.
        wrong: whatever else it got.
    """

    def __init__(self) -> None:
        self.answers = 0
        self.wrong: list[str] = []

    def await_more(self, answers: int = 3) -> None:
        """Waits for so many more answers."""
        wanted = self.answers + answers
        eventually(lambda: self.wrong or self.answers >= wanted, f"{answers} more answers to a good neighbour")


@contextmanager
def good_neighbour(address: str, label: str) -> Iterator[Neighbour]:
    """One who is answered within it, and at its end still, by nothing but the label that a model gives.

    Raises:
        AssertionError: it was answered otherwise, or refused, or not at all.
    """
    neighbour = Neighbour()
    ending = threading.Event()
    request = images_request([encoded(small(), "PNG")])

    def ask() -> None:
        with speaking(address) as speaker:
            while not ending.is_set():
                try:
                    told = texts_of(speaker.ask(PREDICT, request), "labels")
                except grpc.RpcError as error:
                    neighbour.wrong.append(str(error))
                else:
                    neighbour.answers += 1
                    if told != [label]:
                        neighbour.wrong.append(str(told))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        neighbour.await_more()
        yield neighbour
        neighbour.await_more()
    finally:
        ending.set()
        thread.join()
    assert not neighbour.wrong, neighbour.wrong[:3]
