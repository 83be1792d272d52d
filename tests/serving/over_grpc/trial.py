"""Clients under load, who check each answer against the weights that made it, while a folder of models changes.

`python -m tests.serving.over_grpc.trial FOLDER SECONDS` goes on for so long, and says what it saw.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.messages.pool import message
from tests.end_to_end.telling_models import digest, telling_model
from tests.sample_images import encoded, small
from tests.serving.over_grpc.speaking import (
    INFER,
    PREDICT,
    STATUS,
    Speaker,
    images_request,
    infer_images_request,
    speaking,
    texts_of,
)
from tests.serving.running_server import RunningServer, running_server
from tests.waiting import eventually

IMAGE = encoded(small().resize((8, 8)), "PNG")
CLIENTS = 4
LONGEST_ANSWER = 60.0


class Shelf:
    """The folder of a server's models, and what is done to it.

    Attributes:
        digests: of every model that may answer, by the label that it gives.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self.digests: dict[str, str] = {}

    def model(self) -> bytes:
        """Another model than all before."""
        name = f"model {next(self._numbers)}"
        data = telling_model(name)
        self.digests[name] = digest(data)
        return data

    def put(self, name: str, data: bytes) -> str:
        """Puts a file there, whole at once and newer than all others; answers the digest of it."""
        hidden = self._folder / f".{name}.part"
        hidden.write_bytes(data)
        hidden.rename(self._folder / name)
        os.utime(self._folder / name)
        return digest(data)

    def path(self, name: str) -> Path:
        """Of a file there."""
        return self._folder / name


class Trial:
    """What clients saw.

    Attributes:
        wrong: answers and refusals that there should not have been.
        answers: how many there were, by digest.
        refused: requests for a version that was not live any more.
        health: what one who watched was told.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self.wrong: list[str] = []
        self.answers: Counter[str] = Counter()
        self.refused = 0
        self.health: list[int] = []
        self.ending = threading.Event()

    def ask_on(self, address: str, seed: int) -> None:
        """Asks until the end, in both protocols, for one image or several, of whichever model or a certain one."""
        chance = random.Random(seed)
        last: int | None = None
        with speaking(address) as speaker:
            while not self.ending.is_set():
                version = last if chance.random() < 0.3 else None
                rows = chance.choice([1, 1, 2, 5])
                try:
                    last = self._ask(speaker, chance.random() < 0.5, rows, version)
                except grpc.RpcError as error:
                    call: Any = error
                    with self._lock:
                        if version is not None and call.code() is grpc.StatusCode.NOT_FOUND:
                            self.refused += 1
                            last = None
                        else:
                            self.wrong.append(f"{call.code()}: {call.details()}")

    def watch(self, address: str) -> None:
        """Takes in what health says, until the end."""
        with speaking(address) as speaker:
            stub: Any = health_pb2_grpc.HealthStub(speaker.channel)
            watching = stub.Watch(health_pb2.HealthCheckRequest(service="default"))
            threading.Thread(target=lambda: (self.ending.wait(), watching.cancel()), daemon=True).start()
            try:
                for told in watching:
                    self.health.append(told.status)
            except grpc.RpcError:
                pass

    def _ask(self, speaker: Speaker, infers: bool, rows: int, version: int | None) -> int:
        request: Any
        if infers:
            request = infer_images_request([IMAGE] * rows)
            request.id = f"request {next(self._numbers)}"  # without, all of them would fall on one side of a trial
            request.model_version = str(version or "")
            response = speaker.ask(INFER, request, LONGEST_ANSWER)
            answered = int(response.model_version)
        else:
            request = images_request([IMAGE] * rows, version)
            response = speaker.ask(PREDICT, request, LONGEST_ANSWER)
            answered = response.model_spec.version.value
        labels, ids = texts_of(response, "labels"), texts_of(response, "model_id")
        digests = {each.rpartition(":")[2] for each in ids}
        wanted = {self._shelf.digests.get(label) for label in labels}
        with self._lock:
            if not (len(labels) == len(ids) == rows and digests == wanted and {f"{answered:012x}"} == digests):
                self.wrong.append(f"{labels} by {ids}, version {answered:012x}")
            if version not in (None, answered):
                self.wrong.append(f"version {version:012x} was asked for, {answered:012x} answered")
            self.answers.update(digests)
        return answered


@contextmanager
def on_trial(server: RunningServer, shelf: Shelf) -> Iterator[Trial]:
    """Clients that ask for as long as something goes on."""
    trial = Trial(shelf)
    address = server.grpc
    threads = [threading.Thread(target=trial.ask_on, args=(address, seed)) for seed in range(CLIENTS)]
    threads.append(threading.Thread(target=trial.watch, args=(address,)))
    for thread in threads:
        thread.start()
    try:
        yield trial
    finally:
        trial.ending.set()
        for thread in threads:
            thread.join()


def await_answers_of(trial: Trial, wanted: str) -> None:
    """Waits until a model answers, by its digest."""
    before = trial.answers[wanted]
    eventually(lambda: trial.wrong or trial.answers[wanted] > before, f"answers of {wanted}", 120)


def statuses(speaker: Speaker) -> dict[str, tuple[int, str]]:
    """The state of each model that is known, and its reason, by its digest."""
    response = speaker.ask(STATUS, message("tensorflow.serving.GetModelStatusRequest")())
    return {f"{each.version:012x}": (each.state, each.status.error_message) for each in response.model_version_status}


def main(folder: Path, seconds: float) -> None:
    shelf = Shelf(folder / "models")
    chance = random.Random(7)
    until = time.monotonic() + seconds
    changes: Counter[str] = Counter()
    with running_server(folder, "--poll-seconds", "0.1") as server:
        live = [("first.onnx", shelf.model())]
        shelf.put(*live[0])
        with on_trial(server, shelf) as trial:
            while time.monotonic() < until and not trial.wrong:
                change = chance.choice(sorted(_CHANGES))
                changes[change] += 1
                _CHANGES[change](shelf, live)
                shown = live[-1]
                await_answers_of(trial, digest(shown[1]))
                if sum(changes.values()) % 10 == 0:
                    print(f"{sum(changes.values())} changes, {trial.answers.total()} answers", flush=True)
    swaps = len(trial.answers) - 1
    print(json.dumps({"changes": changes, "models": swaps + 1, "answers": trial.answers.total(), "wrong": trial.wrong}))
    print(json.dumps({"not_found": trial.refused, "health": trial.health}))


def _drop(shelf: Shelf, live: list[tuple[str, bytes]]) -> None:
    live.append((f"{len(shelf.digests)}.onnx", shelf.model()))
    shelf.put(*live[-1])


def _overwrite(shelf: Shelf, live: list[tuple[str, bytes]]) -> None:
    name, _ = live.pop()
    live.append((name, shelf.model()))
    shelf.put(*live[-1])


def _delete(shelf: Shelf, live: list[tuple[str, bytes]]) -> None:
    if len(live) < 2:
        return _drop(shelf, live)
    name, _ = live.pop()
    return shelf.path(name).unlink()


def _corrupt(shelf: Shelf, live: list[tuple[str, bytes]]) -> None:
    shelf.put("corrupt.onnx", random.Random(len(shelf.digests)).randbytes(4000))


def _spoil(shelf: Shelf, live: list[tuple[str, bytes]]) -> None:
    """The live model's own file."""
    if len(live) < 2:
        return _drop(shelf, live)
    name, data = live.pop()
    shelf.put(name, data[: len(data) // 3])
    return None


def _truncate(shelf: Shelf, live: list[tuple[str, bytes]]) -> None:
    data = live[-1][1]
    shelf.put("truncated.onnx", data[: len(data) // 2])


def _roll_back(shelf: Shelf, live: list[tuple[str, bytes]]) -> None:
    live.append(live.pop(0))
    shelf.put(*live[-1])


_CHANGES: dict[str, Callable[[Shelf, list[tuple[str, bytes]]], None]] = {
    "drop": _drop,
    "overwrite": _overwrite,
    "delete": _delete,
    "corrupt": _corrupt,
    "spoil": _spoil,
    "truncate": _truncate,
    "roll back": _roll_back,
}


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
