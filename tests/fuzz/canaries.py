"""What no model file may touch: a secret, a folder, a server; and who touched it."""

from __future__ import annotations

import ctypes
import os
import socket
from pathlib import Path

_EVERYTHING = 0x00000FFF
"""Of inotify: opened, read, written, made, moved, deleted, …"""


class Canaries:
    """They notice whoever touches them, from this process or any other.

    Attributes:
        secret: a file that is not to be read; beside it lie things that models like to load.
        forbidden: a folder that is not to be written.
        url: of a server that is not to be asked.
        module: of Python, which writes into `forbidden` where it is imported; `importable` is where it lies.
    """

    module = "canary_module"

    def __init__(self, folder: Path) -> None:
        secrets, self.forbidden, self.importable = (folder / name for name in ("secrets", "forbidden", "importable"))
        for each in (secrets, self.forbidden, self.importable):
            each.mkdir(parents=True)
        self.secret = secrets / "secret.txt"
        for name in ("secret.txt", "secret.h5", "secret.npy", "saved_model.pb", "vocabulary.txt"):
            (secrets / name).write_text("a secret")
        (self.importable / f"{self.module}.py").write_text(f"open({str(self.forbidden / 'imported')!r}, 'w').close()\n")
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.setblocking(False)
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}/model.h5"
        libc = ctypes.CDLL(None, use_errno=True)
        self._inotify = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        for each in (secrets, self.forbidden):
            if libc.inotify_add_watch(self._inotify, os.fsencode(each), _EVERYTHING) < 0:
                raise OSError(ctypes.get_errno(), "inotify cannot watch", str(each))

    def touched(self) -> list[str]:
        """What was touched since the last call."""
        found = []
        try:
            os.read(self._inotify, 1 << 16)
            found.append("a file")
        except BlockingIOError:
            pass
        try:
            self._server.accept()[0].close()
            found.append("the server")
        except BlockingIOError:
            pass
        return found

    def close(self) -> None:
        """Stops looking."""
        self._server.close()
        os.close(self._inotify)
