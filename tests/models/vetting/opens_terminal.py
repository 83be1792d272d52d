"""Opens the terminal, and ends with an error where it has none."""

import os

if __name__ == "__main__":
    os.open("/dev/tty", os.O_RDWR)
