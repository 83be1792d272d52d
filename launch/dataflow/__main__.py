"""`python -m launch.dataflow`: the same as `hotswap dataflow`."""

from __future__ import annotations

import sys

from launch.cli import main

if __name__ == "__main__":
    main(["dataflow", *sys.argv[1:]])
