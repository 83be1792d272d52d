"""In place of the vetting child: begins its job, and fills its folder with bytes or with files for ever."""

import itertools
import os
from pathlib import Path

input()
Path("begun").touch()
content = b"x" * 65536 if os.environ["PYTHON_FILLS_WITH"] == "bytes" else b""
for number in itertools.count():
    folder = Path(f"folder{number % 20}")
    folder.mkdir(exist_ok=True)
    (folder / str(number)).write_bytes(content)
