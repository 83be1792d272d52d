"""`python -m benchmarks.devices`: a thousand devices that follow one model folder through `hotswap fleet serve`.

The server, its database and its packaging are the real ones, in processes of their own; the devices are simulated, and
check every archive's size and digest. All share this machine.
"""

from __future__ import annotations

import asyncio
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.model_files import write_digits
from benchmarks.simulated_device import SimulatedDevice
from fleet.fleet import Fleet
from launch.command_line import CommandFailed, run
from launch.demo.landing import land

_PATIENCE_SECONDS = 300.0
_CLOSED_LOOP = 32
"""Devices that ask at once, each as soon as it was answered, where the most polls a second are sought."""

app = typer.Typer(add_completion=False)


@dataclass(frozen=True, slots=True)
class FleetReport:
    """What was measured.

    Attributes:
        most_polls: a second that change nothing, answered as fast as they come.
        poll_bytes: of request and answer of one of these.
        poll_cpu_ms: of the server, for one of these at the devices' own pace.
        p50_ms: of these, at the devices' own pace.
        p99_ms: the same.
        memory_mib: of the server.
        landing_seconds: from the landing of a model's file to the first device that runs it, the median, and the last.
        lost: devices that do not run it in the end.
        wrong: archives that were not what was desired.
        failed: answers that no device should get.
    """

    most_polls: float
    poll_bytes: float
    poll_cpu_ms: float
    p50_ms: float
    p99_ms: float
    memory_mib: float
    landing_seconds: tuple[float, float, float]
    lost: int
    wrong: int
    failed: int


@contextmanager
def _server(folder: Path, database: str) -> Iterator[tuple[psutil.Process, tuple[str, int]]]:
    command = [sys.executable, "-m", "launch.cli", "fleet", "serve", "--models", f"{folder}/models/*.h5"]
    command += ["--database", database, "--shelf", str(folder / "shelf"), "--port", "0", "--poll-seconds", "1"]
    log = folder / "server.log"
    with log.open("w") as writing, subprocess.Popen(command, stderr=writing) as program:
        try:
            yield psutil.Process(program.pid), _address(log, program)
        finally:
            program.terminate()
            program.wait(60)


def _address(log: Path, program: subprocess.Popen[bytes]) -> tuple[str, int]:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline and program.poll() is None:
        if match := re.search(r"ready: http://([\d.]+):(\d+)", log.read_text()):
            return match[1], int(match[2])
        time.sleep(0.1)
    raise CommandFailed(f"the server is not there: {log.read_text()[-1000:]}")


def measure_fleet(
    devices: int, every: float, quiet: float, database: str | None, say: Callable[[str], None]
) -> FleetReport:
    """Runs all of it.

    Args:
        devices: how many.
        every: seconds between two polls of each.
        quiet: seconds for which polls that change nothing are measured, at their most and at the devices' own pace.
        database: the URL of an empty one; None for SQLite.
        say: is told how far it is.
    """
    with tempfile.TemporaryDirectory(prefix="hotswap-fleet-") as scratch:
        folder = Path(scratch)
        (folder / "models").mkdir()
        say("training two models")
        for name, examples in (("few", 40), ("all", 1000)):
            write_digits(folder / f"{name}.h5", examples)
        address = database or str(folder / "fleet.db")
        with Fleet(address) as fleet:
            tokens = {f"device-{number:04d}": fleet.devices.add(f"device-{number:04d}") for number in range(devices)}
        with _server(folder, address) as (process, server):
            simulated = [SimulatedDevice(name, token, server) for name, token in tokens.items()]
            return asyncio.run(_measured(simulated, process, folder, every, quiet, say))


async def _measured(
    devices: Sequence[SimulatedDevice],
    process: psutil.Process,
    folder: Path,
    every: float,
    quiet: float,
    say: Callable[[str], None],
) -> FleetReport:
    say(f"{len(devices)} devices get their first model")
    land(folder / "few.h5", folder / "models/few.h5")
    polling = [asyncio.create_task(_poll(device, every)) for device in devices]

    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while not condition():
                for ended in (task for task in polling if task.done()):
                    ended.result()
                await asyncio.sleep(0.05)

    try:
        await until(lambda: all(device.runs for device in devices))
        first = devices[0].runs
        say(f"polls that change nothing, one device every {every:g} s, for {quiet:g} s")
        _forget(devices)
        cpu = _cpu(process)
        await asyncio.sleep(quiet)
        cpu = _cpu(process) - cpu
        seconds = [each for device in devices for each in device.unchanged.seconds]
        size = sum(device.unchanged.size for device in devices)
        say("a new model lands")
        began = time.monotonic()
        land(folder / "all.h5", folder / "models/all.h5")
        await until(lambda: any(device.runs != first for device in devices))
        await until(lambda: len({device.runs for device in devices}) == 1)
        landed = sorted(device.since - began for device in devices)
    finally:
        for task in polling:
            task.cancel()
        await asyncio.gather(*polling, return_exceptions=True)
    say(f"as many polls as it answers, {_CLOSED_LOOP} at once, for {quiet:g} s")
    most = await _most(devices, quiet)
    newest = devices[0].runs
    report = FleetReport(
        most,
        size / len(seconds),
        cpu * 1000 / len(seconds),
        statistics.median(seconds) * 1000,
        statistics.quantiles(seconds, n=100)[98] * 1000,
        process.memory_info().rss / (1 << 20),
        (landed[0], statistics.median(landed), landed[-1]),
        sum(device.runs != newest for device in devices),
        sum(device.wrong for device in devices),
        sum(device.failed for device in devices),
    )
    for device in devices:
        await device.close()
    return report


async def _poll(device: SimulatedDevice, every: float) -> None:
    await asyncio.sleep(random.uniform(0, every))  # noqa: S311 - no secret
    while True:
        await device.poll()
        await asyncio.sleep(every)


async def _most(devices: Sequence[SimulatedDevice], seconds: float) -> float:
    began, count = time.monotonic(), 0

    async def work(mine: Sequence[SimulatedDevice]) -> None:
        nonlocal count
        while time.monotonic() - began < seconds:
            for device in mine:
                await device.poll()
                count += 1

    await asyncio.gather(*(work(devices[number::_CLOSED_LOOP]) for number in range(_CLOSED_LOOP)))
    return count / (time.monotonic() - began)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _forget(devices: Sequence[SimulatedDevice]) -> None:
    for device in devices:
        device.unchanged.seconds.clear()
        device.unchanged.size = 0


def print_table(report: FleetReport, console: Console) -> None:
    """What was measured, for people."""
    first, median, last = report.landing_seconds
    rows = {
        "polls a second that change nothing, at most": f"{report.most_polls:,.0f}",
        "bytes of one, both ways": f"{report.poll_bytes:,.0f}",
        "processor time of the server for one": f"{report.poll_cpu_ms:.2f} ms",
        "p50, p99 of one at the devices' own pace": f"{report.p50_ms:.1f}, {report.p99_ms:.1f} ms",
        "memory of the server": f"{report.memory_mib:,.0f} MiB",
        "a file lands → first, median, last device runs it": f"{first:.1f}, {median:.1f}, {last:.1f} s",
        "devices lost; archives wrong; answers failed": f"{report.lost}; {report.wrong}; {report.failed}",
    }
    table = Table(show_header=False)
    for name, value in rows.items():
        table.add_row(name, value)
    console.print(table)


@app.command()
def devices(
    count: Annotated[int, typer.Option("--devices", min=1, help="How many.")] = 1000,
    every: Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="Between two polls of each.")] = 10.0,
    quiet: Annotated[float, typer.Option(min=1, metavar="SECONDS", help="For which polls are measured.")] = 30.0,
    database: Annotated[str | None, typer.Option(metavar="URL", help="Of an empty one; SQLite unless given.")] = None,
) -> int:
    """Measures a fleet's server with simulated devices, all on this machine."""
    report = measure_fleet(count, every, quiet, database, Console(stderr=True, highlight=False).print)
    print_table(report, Console(highlight=False))
    return 1 if report.lost or report.wrong or report.failed else 0


if __name__ == "__main__":
    sys.exit(run(app))
