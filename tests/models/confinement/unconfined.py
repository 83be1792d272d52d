"""What the trial comes through with where one layer, or all where none is named, is left out: `unconfined [LAYER]`."""

import os
import socket
import sys
import tempfile
from pathlib import Path

from models.confinement import landlock, privileges, system_calls, trial

MODULES = {"landlock": landlock, "privileges": privileges, "system_calls": system_calls}

if __name__ == "__main__":
    folder = Path(tempfile.mkdtemp())
    (folder / "secret").write_text("secret")
    (folder / "forbidden").mkdir()
    (folder / "workspace").mkdir()
    os.chdir(folder / "workspace")
    if sys.argv[1:]:
        module, function = sys.argv[1].split(".")
        setattr(MODULES[module], function, lambda *_, **__: None)
    else:
        setattr(trial, "confine", lambda **_: [])  # noqa: B010 - which is not its own
    with socket.create_server(("127.0.0.1", 0)) as server:
        trial.main(server.getsockname()[1], folder / "secret", folder / "forbidden")
