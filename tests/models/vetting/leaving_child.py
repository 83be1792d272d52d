"""In place of the vetting child: begins its job, leaves a process running and ends without a verdict."""

import os
import subprocess
from pathlib import Path

left = subprocess.Popen(["sleep", "600"])
input()
Path("begun").touch()
Path(os.environ["PYTHON_LEFT_BEHIND"]).write_text(str(left.pid))
