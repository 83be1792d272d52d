"""A local run on small ONNX models, which are vetted in a moment, and what it may leave behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.end_to_end.local_run import Run


class OnnxRun(Run):
    """A local run whose models are `*.onnx` and whose cache is a folder of its root."""

    def children(self) -> list[psutil.Process]:
        """Every process below it now."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def books(self) -> dict[str, int]:
        """The numbers in the line of books: in, results, dead, skipped, UNFINISHED."""
        [line] = [line for line in self.log().splitlines() if "books: " in line]
        words = line.partition("books: ")[2].replace("=", "+").split("+")
        return {words.split()[1]: int(words.split()[0]) for words in words}

    def result_lines(self) -> int:
        """How many result lines are written so far."""
        path = self.root / "results.jsonl"
        return path.read_bytes().count(b"\n") if path.exists() else 0


@contextmanager
def onnx_run(root: Path, *options: str, models: Path | None = None, prefix: Path | None = None) -> Iterator[OnnxRun]:
    """A local run in `root`, ended in any case.

    Args:
        root: its folder.
        options: more of its options.
        models: a folder of models other than its own.
        prefix: below which images are read; `root` where None.
    """
    root.mkdir(exist_ok=True)
    pattern = str((models or root / "models") / "*.onnx")
    run = OnnxRun(root, "--models", pattern, "--poll-seconds", "0.2", "--image-prefix", str(prefix or root), *options)
    try:
        yield run
    finally:
        run.close()


def left_in(cache: Path) -> list[str]:
    """Workspaces of vetting that are still in the folder of compiled models."""
    return [path.name for path in cache.glob(".work-*")]


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run."""
    return [process for process in processes if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
