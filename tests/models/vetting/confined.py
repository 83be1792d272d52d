"""A process confined as the vetting child is: `confined PORT [hurried]`, or `confined terminal`.

Says whether it reaches a server of this machine, how nice it is and whether it is idle; or ends with an error where
it has no terminal.
"""

import os
import socket
import sys
import tempfile
from pathlib import Path

from models.confinement.confining import confine
from models.vetting.child import yield_to_others


def main() -> None:
    if sys.argv[1] == "terminal":
        confine(writable=[Path(tempfile.mkdtemp())])
        os.open("/dev/tty", os.O_RDWR)
        return
    yield_to_others(hurried=sys.argv[2:] == ["hurried"])
    confine(writable=[Path(tempfile.mkdtemp())])
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5).close()
        network = "reached"
    except OSError:
        network = "unreachable"
    print(network, os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0) == os.SCHED_IDLE)


if __name__ == "__main__":
    main()
