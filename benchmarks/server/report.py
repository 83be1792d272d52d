"""What was measured of the servers: what was aimed at, and tables."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from rich.table import Table

from benchmarks.server.measure import BARE, Level, ServerReport
from benchmarks.server.servers import MLSERVERS, OURS, Kind
from benchmarks.server.swaps import SwapsReport
from benchmarks.targets import Target
from models.compute_threads import cores

_OF_BARE, _SINGLE, _OF_MLSERVER, _AROUND, _FLAT = 0.9, 1.3, 2.0, 1.1, 1.1


def server_targets(report: ServerReport) -> Iterator[Target]:
    """Those that this run can tell anything about."""
    for subject, kind in dict.fromkeys((level.subject, level.kind) for level in report.levels):
        yield from _beside_bare(report, subject, kind)
        yield from _beside_mlserver(report, subject, kind)
    failed = sum(sum(level.failures.values()) for level in report.levels if level.arm == OURS)
    yield Target("server: failed requests of all closed loops", failed, 0, "≤")
    if report.swaps is not None:
        yield from _of_swaps(report.swaps)


def server_tables(report: ServerReport) -> Iterator[Table]:
    """Everything, for people."""
    table = Table(title="Servers: client and server share the cores", title_justify="left")
    for name in ("model", "input", "server"):
        table.add_column(name)
    for name in ("clients", "per s", "p50, ms", "p99, ms", "CPU ms", "client's", "PSS / RSS, MiB", "failed"):
        table.add_column(name, justify="right")
    for level in sorted(report.levels, key=lambda each: (each.subject, each.kind, each.clients, each.arm)):
        table.add_row(*_row(level))
    yield table
    if report.swaps is not None:
        yield _swaps_table(report.swaps)


def left_over(level: Level, bare: Level) -> float:
    """Answers a second ÷ those of the bare loop on what the clients' process left of the cores."""
    return statistics.median(
        one.rate / (other.rate * (1 - one.rate * one.client_milliseconds / 1000 / cores()))
        for one, other in zip(level.turns, bare.turns, strict=True)
    )


def _beside_bare(report: ServerReport, subject: str, kind: Kind) -> Iterator[Target]:
    bare = report.find(subject, kind, BARE, 0)
    ours = _levels(report, subject, kind, OURS)
    if bare is None or not ours:
        return
    name, full, single = f"server, {subject}, {kind}", ours[-1], ours[0]
    yield Target(f"{name}: {full.clients} clients, ours ÷ bare loop", _ratio(full, bare), _OF_BARE, "≥")
    yield Target(f"{name}: the same on what the clients left of the cores", left_over(full, bare), _OF_BARE, "≥")
    cpu = bare.cpu_milliseconds() / full.cpu_milliseconds()
    yield Target(f"{name}: the same by CPU time an image", cpu, _OF_BARE, "≥")
    if single.clients == 1:
        of_p99, of_p50 = (single.percentile(99) / bare.percentile(share) for share in (99, 50))
        yield Target(f"{name}: one client, p99 ÷ p99 of decoding and running", of_p99, _SINGLE, "≤")
        yield Target(f"{name}: one client, p99 ÷ p50 of decoding and running", of_p50, _SINGLE, "≤")


def _beside_mlserver(report: ServerReport, subject: str, kind: Kind) -> Iterator[Target]:
    for ours in _levels(report, subject, kind, OURS):
        theirs = [report.find(subject, kind, arm, ours.clients) for arm in MLSERVERS]
        there = [level for level in theirs if level is not None]
        if not there:
            continue
        name = f"server, {subject}, {kind}, {ours.clients} clients"
        yield Target(f"{name}: ours ÷ MLServer", min(_ratio(ours, each) for each in there), _OF_MLSERVER, "≥")
        p99 = ours.percentile(99) / min(each.percentile(99) for each in there)
        yield Target(f"{name}: p99 ÷ MLServer's", p99, 1.0, "≤")


def _of_swaps(swaps: SwapsReport) -> Iterator[Target]:
    yield Target(f"server: failed requests over {swaps.swaps} swaps", sum(swaps.failures.values()), 0, "≤")
    yield Target(f"server: untrue answers over {swaps.swaps} swaps", swaps.untrue, 0, "≤")
    yield Target("server: p99 around a swap ÷ in quiet", swaps.around.p99 / swaps.quiet.p99, _AROUND, "≤")
    yield Target("server: p99 while a model is loaded ÷ in quiet", swaps.loading.p99 / swaps.quiet.p99, _AROUND, "≤")
    yield Target("server: memory (PSS) after the swaps ÷ before", swaps.after.pss / swaps.before.pss, _FLAT, "≤")


def _levels(report: ServerReport, subject: str, kind: Kind, arm: str) -> list[Level]:
    found = [each for each in report.levels if (each.subject, each.kind, each.arm) == (subject, kind, arm)]
    return sorted(found, key=lambda level: level.clients)


def _ratio(level: Level, other: Level) -> float:
    """How many times as many answers: the median of the rounds' own ratios, so that drift cancels out."""
    return statistics.median(one.rate / another.rate for one, another in zip(level.turns, other.turns, strict=True))


def _row(level: Level) -> list[str]:
    client = statistics.median(turn.client_milliseconds for turn in level.turns)
    told = [f"{level.rate():.1f}", *(f"{1000 * level.percentile(share):.1f}" for share in (50, 99))]
    told += [f"{level.cpu_milliseconds():.2f}"]
    of_server = [f"{client:.2f}", f"{level.memory.pss:.0f} / {level.memory.rss:.0f}", str(sum(level.failures.values()))]
    blank = ["", "", ""]
    clients = str(level.clients) if level.clients else ""
    return [level.subject, level.kind, level.arm, clients, *told, *(of_server if level.arm != BARE else blank)]


def _swaps_table(swaps: SwapsReport) -> Table:
    table = Table(title=f"{swaps.swaps} swaps at {swaps.rate:.0f} questions a second", title_justify="left")
    for name in ("", "questions", "p50, ms", "p99, ms"):
        table.add_column(name, justify="right" if name else "left")
    for name, span in (("quiet", swaps.quiet), ("loading", swaps.loading), ("around a swap", swaps.around)):
        table.add_row(name, str(span.count), f"{1000 * span.p50:.1f}", f"{1000 * span.p99:.1f}")
    table.add_row("failed / untrue / answered", f"{sum(swaps.failures.values())} / {swaps.untrue} / {swaps.answers}")
    table.add_row("landing → first answer, s", f"{swaps.seconds:.2f}")
    for name, held in (("before", swaps.before), ("after", swaps.after)):
        table.add_row(f"PSS / RSS {name}, MiB", f"{held.pss:.0f} / {held.rss:.0f}")
    return table
