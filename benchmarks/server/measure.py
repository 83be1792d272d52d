"""What is measured of the servers: closed loops of clients in turn, and swaps under load."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.arms import Arm
from benchmarks.family import Held, cpu_seconds, held
from benchmarks.images import in_turn
from benchmarks.server.clients import ClientsProcess
from benchmarks.server.environments import PeerMissing
from benchmarks.server.servers import ARMS, KINDS, OURS, Kind, Server, Subject, start
from benchmarks.server.swaps import SwapsReport, measure_swaps
from benchmarks.throughput import Tell
from benchmarks.ways import Setup
from models.images.decoding import DecodeLimits, decode_image
from models.images.model_input import model_input
from models.registry.cache import ArtefactCache
from models.storage import LocalStorage
from models.vetting import Vetter

BARE = "bare loop"
_SINGLES = 64
"""Images that the bare loop takes one by one in each round."""
_BATCH = 32


@dataclass(frozen=True, slots=True)
class ServerExtent:
    """How much is measured.

    Attributes:
        subjects: models, by the name that tables give them: the file, as `make_models` calls it, and the seconds of a
            level.
        clients: levels of concurrency, in ascending order.
        rounds: in which the servers take turns.
        arms: that are measured.
        swaps: so many, under load.
        quiet_seconds: of the same load before.
    """

    subjects: Mapping[str, tuple[str, float]]
    clients: tuple[int, ...] = (1, 8, 32)
    rounds: int = 5
    arms: tuple[str, ...] = ARMS
    swaps: int = 100
    quiet_seconds: float = 30.0


FULL = ServerExtent({"MobileNetV2": ("mobilenet_a", 2.0), "ResNet50": ("resnet50", 3.0)})
QUICK = ServerExtent({"MobileNetV2": ("mobilenet_a", 2.0)}, rounds=2, swaps=10, quiet_seconds=10.0)


@dataclass(frozen=True, slots=True)
class Turn:
    """One closed loop of one server, or one run of the bare loop.

    Attributes:
        rate: answers a second.
        cpu_milliseconds: of the server and all that it started, an answer.
        client_milliseconds: of the clients' process, an answer.
        latencies: seconds; of the bare loop those of images one by one.
    """

    rate: float
    cpu_milliseconds: float
    client_milliseconds: float
    latencies: Sequence[float]


@dataclass(slots=True)
class Level:
    """One model, kind of input, server and number of clients.

    Attributes:
        subject: the model.
        kind: of input.
        arm: one of `ARMS`, or `BARE`, whose clients are none.
        clients: at a time; 0 of the bare loop.
        turns: a round each.
        memory: of the server and all that it started, after the last turn.
        failures: by status code.
    """

    subject: str
    kind: Kind
    arm: str
    clients: int
    turns: list[Turn] = field(default_factory=list)
    memory: Held = Held(0.0, 0.0)
    failures: Counter[str] = field(default_factory=Counter)

    def rate(self) -> float:
        """Answers a second, the median of the rounds."""
        return statistics.median(turn.rate for turn in self.turns)

    def percentile(self, share: float) -> float:
        """Seconds, over all rounds."""
        return float(np.percentile([seconds for turn in self.turns for seconds in turn.latencies], share))

    def cpu_milliseconds(self) -> float:
        """Of the server, the median of the rounds."""
        return statistics.median(turn.cpu_milliseconds for turn in self.turns)

    def to_json(self) -> dict[str, Any]:
        """Plain values, without the single latencies."""
        turns = [{k: v for k, v in asdict(turn).items() if k != "latencies"} for turn in self.turns]
        told = {"p50": self.percentile(50), "p99": self.percentile(99), "rate": self.rate(), "turns": turns}
        memory = {"pss_mebibytes": self.memory.pss, "rss_mebibytes": self.memory.rss}
        names = {"model": self.subject, "kind": self.kind, "server": self.arm, "clients": self.clients}
        return names | told | memory | {"failures": dict(self.failures)}


@dataclass(slots=True)
class ServerReport:
    """All of it.

    Attributes:
        levels: of every server.
        missing: why a server was left out, by its name.
        swaps: None where none were tried.
    """

    levels: list[Level] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    swaps: SwapsReport | None = None

    def find(self, subject: str, kind: Kind, arm: str, clients: int) -> Level | None:
        """The level, where it was measured."""
        key = (subject, kind, arm, clients)
        return next((each for each in self.levels if (each.subject, each.kind, each.arm, each.clients) == key), None)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        swaps = self.swaps.to_json() if self.swaps else None
        return {"levels": [level.to_json() for level in self.levels], "missing": self.missing, "swaps": swaps}


def measure_server(
    extent: ServerExtent, models: Mapping[str, Path], images: Sequence[str], folder: Path, tell: Tell
) -> ServerReport:
    """Measures this project's server beside the others and beside the bare loop.

    Args:
        extent: how much.
        models: by name, as `make_models` gives them; `mobilenet_a` and `mobilenet_b` for swaps.
        images: paths of JPEG files.
        folder: for compiled models, tensors, logs.
        tell: is told what happens.

    Raises:
        PeerMissing: this project's own server does not answer.
        ClientsFailed: the clients ended.
    """
    report = ServerReport()
    for name, (file, seconds) in extent.subjects.items():
        tell(f"servers of {name}: compiling it once, starting {', '.join(extent.arms)} and the bare loop")
        subject = _subject(name, models[file], folder)
        paths: dict[Kind, list[str]] = {"JPEG": list(images), "tensor": _tensors(subject, images, folder / "tensors")}
        with _running(subject, extent.arms, folder, report, tell) as (servers, bare, clients):
            for kind in KINDS:
                _one_kind(report, subject, kind, paths[kind], servers, bare, clients, extent, seconds, tell)
    if extent.swaps:
        first = next(iter(extent.subjects))
        at_full = report.find(first, "JPEG", OURS, extent.clients[-1])
        assert at_full is not None
        pair = models["mobilenet_a"], models["mobilenet_b"]
        report.swaps = measure_swaps(
            pair, list(images), at_full.rate() / 2, extent.swaps, extent.quiet_seconds, folder, tell
        )
    return report


def _one_kind(
    report: ServerReport,
    subject: Subject,
    kind: Kind,
    paths: list[str],
    servers: Mapping[str, Server],
    bare: Arm,
    clients: ClientsProcess,
    extent: ServerExtent,
    seconds: float,
    tell: Tell,
) -> None:
    levels = {(arm, count): Level(subject.name, kind, arm, count) for arm in servers for count in extent.clients} | {
        (BARE, 0): Level(subject.name, kind, BARE, 0)
    }
    asked = {arm: server.asked(kind, paths) for arm, server in servers.items()}
    for arm, server in servers.items():
        clients.closed(server, asked[arm], extent.clients[-1], min(1.0, seconds))
    rate = bare.classify(in_turn(paths, 2 * _BATCH)).rate
    for _ in range(extent.rounds):
        levels[BARE, 0].turns.append(_bare_turn(bare, paths, max(2 * _BATCH, round(rate * seconds))))
        for count in extent.clients:
            for arm, server in servers.items():
                level = levels[arm, count]
                before = cpu_seconds(server.pid)
                found = clients.closed(server, asked[arm], count, seconds)
                used = cpu_seconds(server.pid) - before
                level.failures.update(found.failures)
                answers = max(1, len(found.latencies))
                rates = len(found.latencies) / found.seconds, 1000 * used / answers
                level.turns.append(Turn(*rates, 1000 * found.cpu_seconds / answers, found.latencies))
                level.memory = held(server.pid)
    report.levels += levels.values()
    full = extent.clients[-1]
    told = [f"{arm} {levels[arm, full].rate():.1f}/s" for arm in servers]
    tell(f"  {kind}, {full} clients: {', '.join(told)}; bare loop {levels[BARE, 0].rate():.1f}/s")


def _bare_turn(bare: Arm, paths: list[str], count: int) -> Turn:
    singles = bare.one_by_one(in_turn(paths, _SINGLES))
    timing = bare.classify(in_turn(paths, count))
    return Turn(timing.rate, 1000 * timing.cpu_seconds / timing.images, 0.0, singles)


def _started(name: str, subject: Subject, folder: Path, tell: Tell) -> Server:
    """Triton's own parts do not always meet in time on a busy machine: what did not start is tried once more."""
    place = folder / subject.name
    try:
        return start(name, subject, place, folder / "cache", tell)
    except PeerMissing:
        if name == OURS:
            raise
        return start(name, subject, place, folder / "cache", tell)


@contextmanager
def _running(
    subject: Subject, arms: Sequence[str], folder: Path, report: ServerReport, tell: Tell
) -> Iterator[tuple[dict[str, Server], Arm, ClientsProcess]]:
    """All of them, idle; one that cannot be had is left out, but for ours."""
    servers: dict[str, Server] = {}
    with ExitStack() as stack:
        for name in arms:
            try:
                servers[name] = _started(name, subject, folder, tell)
            except PeerMissing as why:
                if name == OURS:
                    raise
                report.missing[name] = str(why)
                tell(f"  {name} is left out: {why}")
                continue
            stack.callback(servers[name].close)
        bare = Arm(Setup("bare", str(subject.path), str(folder / "cache"), _BATCH), folder / "bare.log")
        stack.callback(bare.close)
        clients = ClientsProcess(folder / "clients.log")
        stack.callback(clients.close)
        yield servers, bare, clients


def _subject(name: str, path: Path, folder: Path) -> Subject:
    vetter = Vetter(LocalStorage(), ArtefactCache(folder / "cache"), "auto", _BATCH)
    try:
        return Subject(name, path, vetter.vet(str(path)).artefact)
    finally:
        vetter.close()


def _tensors(subject: Subject, images: Sequence[str], folder: Path) -> list[str]:
    """Files of what the model takes of each image."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = subject.artefact.manifest
    needed = manifest.card.input.height, manifest.card.input.width
    paths = []
    for image in images:
        path = folder / f"{subject.name}-{Path(image).stem}.npy"
        decoded = decode_image(Path(image).read_bytes(), limits=DecodeLimits(), needed=needed)
        np.save(path, model_input([decoded], manifest)[0])
        paths.append(str(path))
    return paths
