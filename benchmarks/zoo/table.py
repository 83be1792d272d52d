"""What was found in the zoo, as a page of the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.zoo.visit import Visit

_HEAD = (
    "architecture", "accepted", "engine", "largest difference", "vetting, s", "memory, MiB (allowed)",
    "ms alone", "ms in a batch", "÷ framework, alone", "÷ framework, in a batch",
)  # fmt: skip
_BEGIN, _END = "<!-- zoo: begin -->", "<!-- zoo: end -->"


def write_page(page: Path, visits: Sequence[Visit]) -> None:
    """Puts a table for each way of saving between the two marks of a page."""
    before, rest = page.read_text().split(_BEGIN)
    after = rest.split(_END)[1]
    kinds = dict.fromkeys(visit.kind for visit in visits)
    tables = "\n\n".join(_table(kind, [visit for visit in visits if visit.kind == kind]) for kind in kinds)
    page.write_text(f"{before}{_BEGIN}\n\n{tables}\n\n{_END}{after}")


def _table(kind: str, visits: Sequence[Visit]) -> str:
    rows = [_HEAD, tuple("---" for _ in _HEAD), *map(_row, visits)]
    accepted = sum(visit.verdict == "accepted" for visit in visits)
    title = f"### {kind}: {accepted} of {len(visits)} accepted"
    return "\n".join([title, "", *(f"| {' | '.join(row)} |" for row in rows)])


def _row(visit: Visit) -> tuple[str, ...]:
    if visit.verdict != "accepted":
        return (visit.architecture, f"no: {visit.verdict}", *("" for _ in _HEAD[2:]))
    return (
        visit.architecture,
        "yes",
        visit.engine,
        f"{visit.difference:.0e}",
        f"{visit.vetting_seconds:.1f}",
        f"{visit.vetting_bytes >> 20:,} ({visit.allowed_bytes >> 20:,})",
        f"{visit.alone * 1e3:.1f}",
        f"{visit.batched * 1e3:.1f}",
        f"{visit.own_alone / visit.alone:.1f}",
        f"{visit.own_batched / visit.batched:.1f}",
    )
