"""In place of a host: tells of its beginning what it is told to, `boasting_host JSON`, and does nothing else.

With `killed` it ends there as one that the kernel kills, with `silent` it tells nothing more.
"""

import os
import signal
import sys

from models.hosting.host import HostJob

if __name__ == "__main__":
    told = HostJob.from_json(sys.stdin.readline()).told
    os.write(told, b'{"unconfined": []}\n')
    if sys.argv[1] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if sys.argv[1] != "silent":
        os.write(told, sys.argv[1].encode() + b"\n")
    sys.stdin.read()
