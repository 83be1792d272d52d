"""`python -m launch.local`: the same as `hotswap local`."""

from __future__ import annotations

import sys

from launch.cli import main

if __name__ == "__main__":
    main(["local", *sys.argv[1:]])
