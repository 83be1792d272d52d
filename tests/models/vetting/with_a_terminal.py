"""Takes its standard input for its terminal; says how a child that opens it fares, then one that is confined first."""

import fcntl
import subprocess
import sys
import termios

if __name__ == "__main__":
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    opening = [sys.executable, "-m", "tests.models.vetting.opens_terminal"]
    confined = [sys.executable, "-m", "tests.models.vetting.confined", "terminal"]
    print([subprocess.run(each, process_group=0).returncode for each in (opening, confined)])
