"""`python -m benchmarks.trials.images_needed`: how many images a verdict takes, by models whose quality is known.

Prints a table for docs/trials.md. No model is run: answers are drawn by chance, and judged as those of a real trial.
"""

from __future__ import annotations

import sys
from typing import Annotated, get_args

import numpy as np
import typer

from benchmarks.trials.planted import CANARY_SHARE, LABELLED_SHARE, PLANTED, SHADOW_SHARE, Planted, looks_of, try_out
from launch.command_line import FAILED, OK, run
from models.reference import Mode

HEAD = (
    "new model",
    "trial",
    "true labels",
    "right",
    "became",
    "images it answered: median",
    "95 of 100",
    "of the stream",
)
_RIGHT = 0.99
_WORDS = {"proved": "promoted", "worse": "rolled back", "open": "undecided: goes back when time is up"}

app = typer.Typer(add_completion=False)


@app.command()
def images_needed(
    seeds: Annotated[int, typer.Option(min=1, help="Streams for each row.")] = 100,
    first_seed: Annotated[int, typer.Option(min=0, help="Of the first stream.")] = 0,
) -> int:
    """Prints the table; answers 1 where a verdict is wrong in more than one of 100 streams."""
    rows = [HEAD, tuple("---" for _ in HEAD)]
    is_right = True
    for planted in PLANTED:
        for mode in get_args(Mode):
            for with_labels in (False, True):
                print(f"{planted.name}, {mode}…", file=sys.stderr)
                right, row = _row(planted, mode, range(first_seed, first_seed + seeds), with_labels)
                rows.append(row)
                is_right = is_right and right >= _RIGHT
    print("\n".join(f"| {' | '.join(row)} |" for row in rows))
    return OK if is_right else FAILED


def _row(planted: Planted, mode: Mode, seeds: range, with_labels: bool) -> tuple[float, tuple[str, ...]]:
    ended = try_out(planted, mode, seeds, looks_of(planted), with_labels=with_labels)
    right = ended.right(planted)
    median, most = np.percentile(ended.images, [50, 95])
    became = ", ".join(word for decision, word in _WORDS.items() if (ended.decisions == decision).any())
    share = SHADOW_SHARE if mode == "shadow" else CANARY_SHARE
    labels = f"{LABELLED_SHARE:.0%}" if with_labels else "none"
    told = (f"{median:,.0f}", f"{most:,.0f}", f"{median / share:,.0f}")
    return right, (planted.name, f"{mode} {share:.0%}", labels, f"{np.floor(1000 * right) / 10:g} %", became, *told)


if __name__ == "__main__":
    sys.exit(run(app))
