"""Asks this machine for a network of one's own, by no code of the project's: ends with 0 where it can be had."""

import ctypes
import sys

NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000

if __name__ == "__main__":
    libc = ctypes.CDLL(None)
    sys.exit(libc.unshare(NEW_NETWORK) != 0 and libc.unshare(NEW_USER | NEW_NETWORK) != 0)
