"""A studio that retrains until it is killed: `python -m tests.studio.relearning.retrains_until_killed ROOT MODELS`.

Prints `tune` once the run learns.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from studio.places import Places
from studio.relearning.retraining import Retraining
from studio.store.corrections import Corrections


def main() -> None:
    """Until somebody kills it."""
    places = Places(Path(sys.argv[1]), Path(sys.argv[2]))
    corrections = Corrections.open(str(places.database))
    is_tuning = threading.Event()

    def look() -> None:
        if retraining.state.stage == "tune":
            is_tuning.set()

    retraining = Retraining(places, corrections, 0, look)
    retraining.begin()
    retraining.start()
    is_tuning.wait()
    print("tune", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
