"""Shows the live panel while everybody writes past it, as TensorFlow's C++ does."""

import os
import sys
import time

from launch.local import progress
from launch.local.result_stream import Pace
from tests.launch.local.test_progress import a_moment

if __name__ == "__main__":
    progress.PANEL_SECONDS = 0.0
    console = progress.SharedConsole(stderr=True)
    with progress.progress(Pace(), console) as report:
        for number in range(5):
            report(a_moment(number))
            os.write(2, b"stray from C++\n")
            print("printed")
            print("warned", file=sys.stderr)
            time.sleep(0.05)
    os.write(2, b"afterwards\n")
