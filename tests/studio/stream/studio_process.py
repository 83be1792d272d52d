"""A process that has a stream, as the studio is one, until it is killed: `python -m …studio_process FOLDER`."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from tests.studio.stream.one_studio import OneStudio


def main() -> None:
    """Prints `running` once the stream runs."""
    studio = OneStudio(Path(sys.argv[1]))
    studio.publish_model("only.onnx", 0)
    studio.stream.start()
    studio.until_running()
    print("running", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
