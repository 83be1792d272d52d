"""Models that land under load, one after the other: what becomes of latency, of memory, and of each single request."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.family import Held, held
from benchmarks.server.clients import ClientsProcess
from benchmarks.server.load import Paced
from benchmarks.server.servers import Server, start_ours
from benchmarks.throughput import Tell
from models.engines.loading import load_engine
from models.images.decoding import DecodeLimits, decode_image
from models.images.model_input import model_input
from models.registry.cache import ArtefactCache
from models.storage import LocalStorage
from models.vetting import Vetter

_AROUND_SECONDS = 1.0
"""Before a model's first answer, and after."""
_DWELL_SECONDS = 1.5
_LANDING_SECONDS = 120.0
_SAME_SCORE = 1e-3
_WARM_SWAPS = 4
_BATCH = 32
_TOLD = 20

Known = Mapping[str, Sequence[tuple[int, float]]]
"""By a model's digest, as answers name it: the class and its score for each image."""


@dataclass(frozen=True, slots=True)
class Span:
    """Latency of the questions that were due in some stretches of time: how many, and seconds."""

    count: int
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class SwapsReport:
    """What happened.

    Attributes:
        swaps: how many models took over from another.
        rate: questions a second.
        answers: how many there were.
        failures: questions without an answer, by status code.
        untrue: answers that are not what the model they name gives for that image.
        quiet: before the first swap.
        loading: from each landing until a second before the model's first answer.
        around: from a second before each model's first answer until a second after.
        seconds: from a landing to the first answer, the median.
        before: memory after the first few swaps.
        after: memory after the last.
    """

    swaps: int
    rate: float
    answers: int
    failures: dict[str, int]
    untrue: int
    quiet: Span
    loading: Span
    around: Span
    seconds: float
    before: Held
    after: Held

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"before": self.before._asdict(), "after": self.after._asdict()}


def measure_swaps(
    models: Sequence[Path],
    images: list[str],
    rate: float,
    swaps: int,
    quiet_seconds: float,
    folder: Path,
    tell: Tell,
) -> SwapsReport:
    """Has models land in turn under an even load of single images.

    Args:
        models: at least two, of which every answer is known beforehand.
        images: paths.
        rate: questions a second.
        swaps: how many are counted; a few come before.
        quiet_seconds: of the same load without a swap.
        folder: for compiled models and logs.
        tell: is told what happens.

    Raises:
        PeerMissing: the server does not answer.
        ClientsFailed: a model did not take over, or the clients ended.
    """
    known = {digest: answers for path in models for digest, answers in [known_answers(path, images, folder / "cache")]}
    place = folder / "swaps"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    tell(f"swaps: {swaps} at {rate:.0f} questions a second")
    with ExitStack() as stack:
        server = start_ours(models[0], place, folder / "cache")
        stack.callback(server.close)
        clients = ClientsProcess(place / "clients.log")
        stack.callback(clients.close)
        clients.begin_paced(server, server.asked("JPEG", images), rate)
        turns = [models[turn % len(models)] for turn in range(1, _WARM_SWAPS + swaps + 1)]
        for model in turns[:_WARM_SWAPS]:
            _swap(server, clients, model)
        before = held(server.pid)
        quiet = time.monotonic()
        time.sleep(quiet_seconds)
        landings = []
        for number, model in enumerate(turns[_WARM_SWAPS:], 1):
            landings.append(_swap(server, clients, model))
            if number % _TOLD == 0:
                tell(f"  {number} of {swaps}")
        after = held(server.pid)
        found = clients.end_paced()
    first = [(at - _AROUND_SECONDS, at + _AROUND_SECONDS) for _, at in landings]
    return SwapsReport(
        len(landings),
        rate,
        len(found.answers),
        found.failures,
        _untrue(found, known),
        _span(found, [(quiet, quiet + quiet_seconds)]),
        _span(found, [(landed, at - _AROUND_SECONDS) for landed, at in landings]),
        _span(found, first),
        float(np.median([at - landed for landed, at in landings])),
        before,
        after,
    )


def known_answers(model: Path, images: Sequence[str], cache: Path) -> tuple[str, list[tuple[int, float]]]:
    """A model's digest, and what it gives for each image when it is asked without a server."""
    vetter = Vetter(LocalStorage(), ArtefactCache(cache), "auto", _BATCH)
    try:
        vetted = vetter.vet(str(model))
    finally:
        vetter.close()
    manifest, engine = vetted.artefact.manifest, load_engine(vetted.artefact, 1)
    needed = manifest.card.input.height, manifest.card.input.width
    answers = []
    for image in images:
        decoded = decode_image(Path(image).read_bytes(), limits=DecodeLimits(), needed=needed)
        (scores,) = engine.predict(model_input([decoded], manifest))
        answers.append((int(scores[0].argmax()), float(scores[0].max())))
    return vetted.reference.digest, answers


def _swap(server: Server, clients: ClientsProcess, model: Path) -> tuple[float, float]:
    """Moments of a landing and of the model's first answer; a model that answered until now is live already."""
    clients.forget_models()
    target = server.folder / "models" / model.name
    hidden = target.with_name(f".{target.name}")
    shutil.copyfile(model, hidden)  # with the time of now: the newest is live
    hidden.rename(target)
    landed = time.monotonic()
    while True:
        model_id, at = clients.next_model(_LANDING_SECONDS)
        if f"/{model.name}@" in model_id:
            time.sleep(_DWELL_SECONDS)
            return landed, at


def _untrue(found: Paced, known: Known) -> int:
    untrue = 0
    for _, _, number, model_id, index, score in found.answers:
        answers = known.get(model_id.rpartition(":")[2])
        if answers is None or answers[number][0] != index or abs(answers[number][1] - score) > _SAME_SCORE:
            untrue += 1
    return untrue


def _span(found: Paced, stretches: Sequence[tuple[float, float]]) -> Span:
    due = np.array([answer[0] for answer in found.answers])
    latencies = np.array([answer[1] - answer[0] for answer in found.answers])
    inside = np.zeros(len(due), bool)
    for begin, end in stretches:
        inside |= (begin <= due) & (due < end)
    chosen = latencies[inside]
    if not len(chosen):
        return Span(0, float("nan"), float("nan"))
    return Span(len(chosen), float(np.percentile(chosen, 50)), float(np.percentile(chosen, 99)))
