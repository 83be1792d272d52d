"""Becomes the program that it is given, and has the kernel end that with whoever started it, however that ends.

    python tether.py PARENT PROGRAM ARGUMENT…

Linux sends the signal when the *thread* ends that started the process: that thread must outlive the program. On other
systems nobody sends it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Ends with exit code 1 where the parent is gone already."""
    parent, program, *arguments = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):  # it ended before it was watched
        sys.exit(1)
    os.execv(program, [program, *arguments])  # noqa: S606 - what the studio's own code names


if __name__ == "__main__":
    main()
