"""Holds `a.h5` open for writing and `b.h5` for reading, says so, and ends with its input."""

import sys
from pathlib import Path

if __name__ == "__main__":
    with Path("a.h5").open("ab"), Path("b.h5").open():
        print("open", flush=True)
        sys.stdin.read()
