"""Opens a fleet's database once it is told to on standard input, and prints its key; run as a process of its own."""

from __future__ import annotations

import sys

from fleet.fleet import Fleet

if __name__ == "__main__":
    print("ready", flush=True)
    sys.stdin.readline()
    with Fleet(sys.argv[1]) as fleet:
        print(fleet.settings.url_key().hex(), flush=True)
