"""What was measured, next to what was aimed at: as JSON and as tables."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.images import DIGITS, LARGE, MEDIUM
from benchmarks.server.measure import ServerReport
from benchmarks.server.report import server_tables, server_targets
from benchmarks.streaming import StreamReport, Swap
from benchmarks.targets import Target
from benchmarks.throughput import ThroughputReport
from models.compute_threads import cores

_PACKAGES = ("apache-beam", "tensorflow", "keras", "openvino", "onnxruntime", "pillow", "cykooz-resizer", "numpy")
_THROUGHPUTS: dict[tuple[str, str], tuple[float, float | None]] = {
    ("MobileNetV2", MEDIUM.name): (7.0, 0.92),
    ("MobileNetV2", LARGE.name): (9.5, 0.92),
    ("ResNet50", MEDIUM.name): (2.5, 0.92),
    ("ResNet50 in int8", MEDIUM.name): (4.0, 0.92),
    ("digits", DIGITS.name): (1.3, None),
}
"""What is aimed at, by model and images: ours ÷ stock, and ÷ the bare loop."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything that one run of the bench found out; what was left out is missing.

    Attributes:
        throughput: of bounded runs.
        streams: by kind of image, then by way.
        server: of the server beside others.
        seconds: that the bench took.
        quick: whether it was the short one.
    """

    throughput: ThroughputReport | None
    streams: Mapping[str, Mapping[str, StreamReport]]
    server: ServerReport | None
    seconds: float
    quick: bool

    def targets(self) -> list[Target]:
        """Those that this run can tell anything about."""
        ours = server_targets(self.server) if self.server else ()
        return [*self._throughput_targets(), *self._stream_targets(), *ours]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "machine": machine(),
            "quick": self.quick,
            "seconds": self.seconds,
            "targets": [asdict(target) | {"met": target.met} for target in self.targets()],
            "throughput": self.throughput.to_json() if self.throughput else None,
            "streams": {
                kind: {way: report.to_json() for way, report in ways.items()} for kind, ways in self.streams.items()
            },
            "server": self.server.to_json() if self.server else None,
        }

    def _throughput_targets(self) -> Iterator[Target]:
        if self.throughput is None:
            return
        for (subject, kind), (of_stock, of_bare) in _THROUGHPUTS.items():
            if measured := self.throughput.find(subject, kind):
                name = f"throughput, {subject}, {kind}"
                yield Target(f"{name}, ours ÷ stock", measured.ratio("ours", "stock"), of_stock, "≥")
                if of_bare is not None:
                    yield Target(f"{name}, ours ÷ bare loop", measured.ratio("ours", "bare"), of_bare, "≥")
        if peaks := self.throughput.peaks.get("MobileNetV2"):
            ratio = peaks["ours"] / peaks["ours-tensorflow"]
            yield Target("worker memory, fastest engine ÷ TensorFlow engine", ratio, 0.5, "≤")

    def _stream_targets(self) -> Iterator[Target]:
        ways = self.streams.get(MEDIUM.name, {})
        ours, stock = ways.get("ours"), ways.get("stock")
        if ours is None:
            return
        if swap := ours.swap:
            yield Target("stream: p99 around a swap ÷ p99 in quiet", swap.around.p99 / swap.quiet.p99, 1.1, "≤")
            silence = swap.around.longest_silence / swap.quiet.longest_silence
            yield Target("stream: longest silence around a swap ÷ in quiet", silence, 1.2, "≤")
            yield Target("landing → first result, beside that stream, cold cache (s)", swap.seconds, 15.0, "≤")
        if ours.idle_seconds:
            cold, warm = ours.idle_seconds
            yield Target("landing → first result, idle, cold cache (s)", cold, 8.0, "≤")
            yield Target("landing → first result, idle, warm cache, poll 1 s (s)", warm, 3.0, "≤")
        if stock is not None and stock.sustained_rate:
            ratio = ours.sustained_rate / stock.sustained_rate
            yield Target("highest sustained rate, ours ÷ stock", ratio, 15.0, "≥")


def machine() -> dict[str, Any]:
    """What the numbers were taken on."""
    return {
        "cores": cores(),
        "processor": _processor(),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in _PACKAGES},
    }


def write_json(measured: Measured, path: Path) -> None:
    """Everything, for other programs."""
    path.write_text(json.dumps(measured.to_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def print_tables(measured: Measured, console: Console) -> None:
    """Everything, for people."""
    if measured.throughput is not None:
        console.print(_throughput_table(measured.throughput))
        console.print(_memory_table(measured.throughput))
    for ways in measured.streams.values():
        console.print(_stream_table(ways))
    for table in server_tables(measured.server) if measured.server else ():
        console.print(table)
    console.print(_target_table(measured.targets()))


def _throughput_table(report: ThroughputReport) -> Table:
    table = _table("Bounded runs, images a second (CPU ms an image)", "model", "images", "stock", "ours", "bare loop")
    table.add_column("ours ÷ stock", justify="right")
    table.add_column("ours ÷ bare", justify="right")
    for run in report.runs:
        rates = [f"{run.rate(way):.1f} ({run.cpu_milliseconds(way):.1f})" for way in ("stock", "ours", "bare")]
        ratios = f"{run.ratio('ours', 'stock'):.1f}", f"{run.ratio('ours', 'bare'):.2f}"
        table.add_row(run.subject, run.kind, *rates, *ratios)
    return table


def _memory_table(report: ThroughputReport) -> Table:
    ways = ("stock", "ours-tensorflow", "ours", "bare")
    table = _table("Most memory resident in the process, MiB", "model", *ways)
    for model, peaks in report.peaks.items():
        table.add_row(model, *(f"{peaks[way]:.0f}" if way in peaks else "" for way in ways))
    return table


def _stream_table(ways: Mapping[str, StreamReport]) -> Table:
    kind = next(iter(ways.values())).kind
    table = _table(f"Stream of {kind} on the DirectRunner", "", *ways)
    rows: dict[str, Callable[[StreamReport], str]] = {
        "flood worked off at, images/s": lambda r: f"{r.flood_rate:.1f}",
        "sustained, images/s": lambda r: f"{r.sustained_rate:.1f}",
    }
    of_swaps: dict[str, Callable[[Swap], str]] = {
        "rate during the swap, images/s": lambda s: f"{s.rate:.1f}",
        "quiet: p50 / p99, s": lambda s: f"{s.quiet.p50:.2f} / {s.quiet.p99:.2f}",
        "while vetting: p50 / p99, s": lambda s: f"{s.vetting.p50:.2f} / {s.vetting.p99:.2f}",
        "around the swap: p50 / p99, s": lambda s: f"{s.around.p50:.2f} / {s.around.p99:.2f}",
        "longest silence, quiet / around the swap, s": lambda s: (
            f"{s.quiet.longest_silence:.2f} / {s.around.longest_silence:.2f}"
        ),
        "landing → first result under load, s": lambda s: f"{s.seconds:.1f}",
    }
    for name, shown in rows.items():
        table.add_row(name, *(shown(report) for report in ways.values()))
    for name, of_swap in of_swaps.items():
        table.add_row(name, *(of_swap(report.swap) if report.swap else "" for report in ways.values()))
    idle = [f"{r.idle_seconds[0]:.1f} / {r.idle_seconds[1]:.1f}" if r.idle_seconds else "" for r in ways.values()]
    table.add_row("the same idle, cold / warm, s", *idle)
    return table


def _target_table(targets: list[Target]) -> Table:
    table = _table("Targets", "measure", "reached", "wanted", "met")
    for target in targets:
        met = "[green]yes" if target.met else "[red]no"
        table.add_row(target.measure, f"{target.reached:.2f}", f"{target.sense} {target.wanted:g}", met)
    return table


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
