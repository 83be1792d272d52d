"""Shows the live panel while everybody writes past it, as TensorFlow's C++ does."""

import os
import sys

from launch.local import progress
from launch.local.result_stream import Pace
from launch.local.shared_console import SharedConsole
from tests.launch.local.test_progress import a_moment

if __name__ == "__main__":
    progress.PANEL_SECONDS = 0.0
    console = SharedConsole(stderr=True)
    with progress.progress(Pace(), console, console.takes_panel) as report:
        for number in range(5):
            report(a_moment(number))
            os.write(2, b"stray from C++\n")
            print("printed")
            print("warned", file=sys.stderr)
    os.write(2, b"afterwards\n")
