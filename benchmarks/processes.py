"""How many worker processes a machine should have: what several make of the same cores and memory.

`python -m benchmarks.processes` starts so many processes of the job's own steps side by side, each with the models and
the hosts of its own that it would have as a worker of Dataflow, and gives all of them the same images to share.
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.arms import Arm
from benchmarks.family import family, pss_kibibytes
from benchmarks.images import DIGITS, MEDIUM, in_turn, make_images
from benchmarks.model_files import SMALL_MODELS, make_models
from benchmarks.ways import Setup, Timing
from launch.command_line import CommandRefused, run

_LOOK_SECONDS = 0.1
_POLL_SECONDS = 1.0
_WARM_IMAGES = 64
_LANDING_SECONDS = 600.0
_ROLES = {"models.hosting.host": "hosts", "models.vetting.child": "vetting"}
_DEFAULT = ("1x12", "2x6", "4x3")
"""The same twelve bundles."""
_KINDS = {kind.name: kind for kind in (MEDIUM, DIGITS)}

app = typer.Typer(add_completion=False)


@dataclass(frozen=True, slots=True)
class Layout:
    """So many processes on a machine, each of which works on so many bundles at a time."""

    processes: int
    bundles: int

    @classmethod
    def parse(cls, text: str) -> Layout:
        """Of `PxB`, e.g. `1x4`.

        Raises:
            CommandRefused: it is none.
        """
        found = re.fullmatch(r"([1-9]\d?)x([1-9]\d?)", text)
        if found is None:
            raise CommandRefused(f"--layout is {text!r}; processes x bundles are expected, e.g. 1x4")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.processes}x{self.bundles}"


@dataclass(frozen=True, slots=True)
class Memory:
    """What processes hold at a moment, in MiB; a page that several share is shared out among them (PSS)."""

    jobs: float = 0.0
    hosts: float = 0.0
    vetting: float = 0.0

    @property
    def total(self) -> float:
        """Of all of them."""
        return self.jobs + self.hosts + self.vetting


@dataclass(slots=True)
class Measured:
    """One layout.

    Attributes:
        starting: the most memory while each process vets and loads its first model.
        answering: the most while they answer.
        landing: the most while they answer, and a newer model lands, is vetted, loaded beside and swapped in.
        landing_seconds: from the landing until each process answers with the newer one.
        rates: images a second of all processes together, a round each.
        cpu_milliseconds: of all of them an image, a round each.
    """

    starting: Memory = field(default_factory=Memory)
    answering: Memory = field(default_factory=Memory)
    landing: Memory = field(default_factory=Memory)
    landing_seconds: float = 0.0
    rates: list[float] = field(default_factory=list)
    cpu_milliseconds: list[float] = field(default_factory=list)


class Machine:
    """The processes of one layout, each with a cache of its own, as containers on one worker have.

    Args:
        layout: how many.
        model: what is live first.
        folder: of this layout; models land in `folder/models`.
    """

    def __init__(self, layout: Layout, model: Path, folder: Path) -> None:
        self._folder = folder
        (folder / "models").mkdir(parents=True, exist_ok=True)
        self.land(model)
        pattern = f"{folder}/models/*{model.suffix}"
        self._arms = [
            Arm(
                Setup("ours", pattern, f"{folder}/cache-{number}", 32, "auto", layout.bundles, _POLL_SECONDS),
                folder / f"{number}.log",
            )
            for number in range(layout.processes)
        ]
        self._threads = ThreadPoolExecutor(layout.processes)

    def land(self, model: Path) -> None:
        """Puts a model into the folder in one step, newest of all."""
        hidden = self._folder / f".{model.name}"
        shutil.copyfile(model, hidden)
        hidden.rename(self._folder / "models" / model.name)

    def classify(self, paths: Sequence[str]) -> tuple[float, float]:
        """Images a second and CPU milliseconds an image, where all processes share these images at the same time."""
        shares = [list(paths[number :: len(self._arms)]) for number in range(len(self._arms))]
        timings: list[Timing] = list(self._threads.map(Arm.classify, self._arms, shares))
        slowest = max(timing.seconds for timing in timings)
        return len(paths) / slowest, 1000 * sum(timing.cpu_seconds for timing in timings) / len(paths)

    def hosts(self) -> set[int]:
        """The processes that answer."""
        return {process.pid for process in self._processes() if _role(process) == "hosts"}

    def memory(self) -> Memory:
        """What all processes hold now."""
        held: Counter[str] = Counter()
        for process in self._processes():
            with suppress(psutil.Error, OSError):
                held[_role(process)] += pss_kibibytes(process.pid)
        return Memory(**{role: kibibytes / 1024 for role, kibibytes in held.items()})

    def close(self) -> None:
        """Ends them."""
        for arm in self._arms:
            arm.close()
        self._threads.shutdown()

    def _processes(self) -> Iterator[psutil.Process]:
        for arm in self._arms:
            yield from family(arm.pid)


def _role(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return next((role for module, role in _ROLES.items() if module in process.cmdline()), "jobs")
    return "jobs"


@contextmanager
def _most_memory(machine: Machine) -> Iterator[list[Memory]]:
    """Yields what will hold the moment of the block in which the processes held the most."""
    most: list[Memory] = [Memory()]
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_SECONDS):
            most[0] = max(most[0], machine.memory(), key=lambda memory: memory.total)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield most
    finally:
        over.set()
        looking.join()


def measure_memory(layout: Layout, models: Sequence[Path], paths: Sequence[str], folder: Path) -> Measured:
    """What one layout holds when it alone is there, from a cold start until a second model has taken over.

    Args:
        layout: how many processes and bundles.
        models: what is live first, and what lands then.
        paths: of images.
        folder: of this layout, empty.
    """
    measured = Measured()
    machine = Machine(layout, models[0], folder)
    try:
        with _most_memory(machine) as most:
            machine.classify(paths[:_WARM_IMAGES])
        measured.starting = most[0]
        with _most_memory(machine) as most:
            machine.classify(paths)
        measured.answering = most[0]
        before, landed = machine.hosts(), time.monotonic()
        machine.land(models[1])
        with _most_memory(machine) as most:
            while machine.hosts() & before:
                if time.monotonic() - landed > _LANDING_SECONDS:
                    raise RuntimeError(f"a model did not take over in {_LANDING_SECONDS:.0f} s; see {folder}")
                machine.classify(paths[:_WARM_IMAGES])
        measured.landing, measured.landing_seconds = most[0], time.monotonic() - landed
    finally:
        machine.close()
    return measured


def measure_rates(
    measured: dict[Layout, Measured], model: Path, paths: Sequence[str], folder: Path, rounds: int
) -> None:
    """What each layout makes of the cores when it alone works; the layouts take turns."""
    machines = {layout: Machine(layout, model, folder / str(layout)) for layout in measured}
    try:
        for machine in machines.values():
            machine.classify(paths[:_WARM_IMAGES])
        for _ in range(rounds):
            for layout, machine in machines.items():
                rate, cpu = machine.classify(paths)
                measured[layout].rates.append(rate)
                measured[layout].cpu_milliseconds.append(cpu)
    finally:
        for machine in machines.values():
            machine.close()


@app.command()
def processes(
    layout: Annotated[list[str] | None, typer.Option(help="Processes x bundles at a time in each; repeatable.")] = None,
    kind: Annotated[str, typer.Option(help=f"Images: {' or '.join(_KINDS)}.")] = MEDIUM.name,
    images: Annotated[int, typer.Option(help="In each round.")] = 512,
    rounds: Annotated[int, typer.Option(help="In which the layouts take turns.")] = 7,
    memory: Annotated[bool, typer.Option(help="Measure memory too, which takes a minute a layout.")] = True,
    out: Annotated[Path, typer.Option(help="Folder for the numbers, and what is measured with.")] = Path(".bench"),
) -> int:
    """Compares numbers of worker processes on this machine: images a second, and memory, in all."""
    layouts = [Layout.parse(each) for each in layout or _DEFAULT]
    if kind not in _KINDS:
        raise CommandRefused(f"--kind is {kind!r}; {' or '.join(_KINDS)} is expected")
    out = out.resolve()
    console = Console(stderr=True, highlight=False)
    paths = in_turn(make_images(_KINDS[kind], out / "images"), images)
    calibration = Path(make_images(MEDIUM, out / "images")[0]).parent
    files = make_models(out / "models", calibration, SMALL_MODELS)
    models = [files[f"{_KINDS[kind].model}_{which}"] for which in "ab"]
    scratch = out / "processes"
    shutil.rmtree(scratch, ignore_errors=True)
    measured = {each: Measured() for each in layouts}
    for each in layouts if memory else ():
        console.print(f"memory of {each}")
        measured[each] = measure_memory(each, models, paths, scratch / str(each))
        (scratch / str(each) / "models" / models[1].name).unlink()
    console.print("images a second, in turn")
    measure_rates(measured, models[0], paths, scratch, rounds)
    (out / "processes.json").write_text(json.dumps({str(each): asdict(of) for each, of in measured.items()}, indent=1))
    print_table(measured, Console(highlight=False))
    return 0


def print_table(measured: dict[Layout, Measured], console: Console) -> None:
    """A row a layout, memory in MiB; ratios are to the first, the median of the rounds' own."""
    table = Table("layout", "images/s", "÷ first", "CPU ms", "starting", "answering", "landing", "swapped")
    first = next(iter(measured.values()))
    for layout, of in measured.items():
        ratio = statistics.median(mine / its for mine, its in zip(of.rates, first.rates, strict=True))
        memories = (f"{each.total:.0f}" for each in (of.starting, of.answering, of.landing))
        table.add_row(
            str(layout),
            f"{statistics.median(of.rates):.1f}",
            f"{ratio:.2f}",
            f"{statistics.median(of.cpu_milliseconds):.1f}",
            *memories,
            f"{of.landing_seconds:.0f} s",
        )
    console.print(table)


def main() -> None:
    """The measurement, as a command."""
    sys.exit(run(app))


if __name__ == "__main__":
    main()
