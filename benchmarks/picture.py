"""Latency over time with the swap marked: stock above, ours below, the new model in a colour of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.streaming import StreamReport, Swap

_OLD, _NEW, _INK = "#6b7a8f", "#d1495b", "#333333"
_TITLES = {
    "stock": "Beam's stock handler",
    "stock, gathered": "Beam's stock handler, reading as this project does",
    "ours": "this project",
}


def draw(ways: Mapping[str, StreamReport], stem: Path) -> list[Path]:
    """Draws `stem`.png and `stem`.svg.

    Args:
        ways: the streams of one kind of image, by way.
        stem: the files' path without its ending.

    Returns:
        The two paths; none where no model was swapped.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "swap"
    swaps = {way: ways[way].swap for way in _TITLES if way in ways}
    shown = {way: swap for way, swap in swaps.items() if swap is not None}
    if not shown:
        return []
    figure, panels = plt.subplots(
        len(shown),
        1,
        sharex=True,
        sharey=True,
        figsize=(9, 2.6 * len(shown) + 0.6),
        squeeze=False,
        layout="constrained",
    )
    for (way, swap), panel in zip(shown.items(), panels[:, 0], strict=True):
        _points(swap, panel)
        panel.axvline(0, color=_INK, linewidth=1)
        panel.axvline(-swap.seconds, color=_INK, linewidth=1, linestyle=":")
        panel.set_title(f"{_TITLES[way]}, {swap.rate:.1f} images/s", loc="left", fontsize=10)
        panel.set_ylabel("latency, s")
        panel.spines[["top", "right"]].set_visible(False)
    panels[0, 0].set_ylim(0, 1.05 * max(latency for swap in shown.values() for _, latency, _ in swap.timeline))
    panels[0, 0].legend(frameon=False, loc="upper left", markerscale=2)
    panels[-1, 0].set_xlabel("seconds since the new model's first result (dotted: the file landed)")
    paths = [stem.with_suffix(suffix) for suffix in (".png", ".svg")]
    for path in paths:
        figure.savefig(path, dpi=150)
    plt.close(figure)
    return paths


def _points(swap: Swap, panel: object) -> None:
    first = swap.timeline[0][2]
    for colour, label, old in ((_OLD, "old model", True), (_NEW, "new model", False)):
        points = [(at, latency) for at, latency, model in swap.timeline if (model == first) is old]
        if points:
            panel.scatter(*zip(*points, strict=True), s=5, color=colour, label=label, rasterized=True)  # type: ignore[attr-defined]
