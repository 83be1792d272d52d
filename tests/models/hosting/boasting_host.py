"""In place of a host: tells of its beginning what it is told to, `boasting_host JSON`, and does nothing else."""

import os
import sys

from models.hosting.host import HostJob

if __name__ == "__main__":
    told = HostJob.from_json(sys.stdin.readline()).told
    os.write(told, b'{"unconfined": []}\n')
    os.write(told, sys.argv[1].encode() + b"\n")
    sys.stdin.read()
