"""Corrects drawings once it is told to on standard input; run as a process of its own.

python -m tests.studio.store.correct ADDRESS FIRST COUNT
"""

from __future__ import annotations

import sys

from studio.store.corrections import Corrections
from tests.studio.store.drawn import new

if __name__ == "__main__":
    first, count = map(int, sys.argv[2:])
    with Corrections.open(sys.argv[1]) as corrections:
        print("ready", flush=True)
        sys.stdin.readline()
        for number in range(first, first + count):
            # Half of the drawings are those of the others, too.
            corrections.correct(new(number % 10_000 if number % 2 else number, 7, drawing=f"drawing-{number}"))
