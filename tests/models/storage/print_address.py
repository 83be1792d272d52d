"""Prints a signed address, or why there is none, in a process of its own.

Google's client reads some of the environment once, when it is imported.
"""

from __future__ import annotations

import sys

from models.storage.errors import StorageUnavailable
from models.storage.schemes import AnyStorage

if __name__ == "__main__":
    try:
        print(AnyStorage().address(sys.argv[1], 3600))
    except StorageUnavailable as error:
        print(error)
