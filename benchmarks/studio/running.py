"""A studio as people start it, in a process of its own: watched, pulled apart and begun again."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import psutil

from launch.command_line import CommandFailed

_PATIENCE_SECONDS = 240.0
_ENDING_SECONDS = 60.0
_ENDED_WITH_IT_SECONDS = 5.0
_ADDRESS = r"{word}: (https?://[^\s/]+)"


class RunningStudio:
    """`hotswap studio` on this machine; started by `start`, ended with the block.

    Args:
        folder: where it keeps everything, models too.
        options: more of its options, as typed.

    Attributes:
        folder: the same.
    """

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        self.folder = folder
        self._options, self._port, self._said = list(options), 0, 0
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder.with_name(f"{folder.name}.log")

    @property
    def log(self) -> str:
        """What it said on its standard error, all starts together."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def address(self) -> str:
        """`http://HOST:PORT`, the same over all starts.

        Raises:
            CommandFailed: it was not started.
        """
        found = re.search(_ADDRESS.format(word="page"), self.log)
        if found is None:
            raise CommandFailed(f"the studio has no address yet: {self.log[-2000:]}")
        return found[1]

    @property
    def process(self) -> psutil.Process:
        """The studio itself.

        Raises:
            psutil.NoSuchProcess: it is gone, or was not started.
        """
        return psutil.Process(self._process.pid if self._process else 0)

    def start(self, awaited: str = "ready") -> None:
        """Starts it, again on the same port.

        Args:
            awaited: `page` returns as soon as the page answers, `ready` once a model is live too.

        Raises:
            CommandFailed: it ended, or took too long; with what it said last.
        """
        self._said = len(self.log)
        command = [sys.executable, "-m", "launch.cli", "studio", "--folder", str(self.folder), *self._options]
        with self._log.open("ab") as writing:
            self._process = subprocess.Popen([*command, "--port", str(self._port)], stderr=writing)
        self._await(awaited)
        self._port = int(self.address.rsplit(":", 1)[1])

    def until_ready(self) -> None:
        """Waits for what `start("page")` did not wait for.

        Raises:
            CommandFailed: as of `start`.
        """
        self._await("ready")

    def children(self, word: str = "") -> list[psutil.Process]:
        """The processes below it, at any depth.

        Args:
            word: one of their arguments contains it: `beam_pipeline` is the stream, `studio.relearning` a retraining.
        """
        found = []
        with suppress(psutil.NoSuchProcess):
            for child in self.process.children(recursive=True):
                with suppress(psutil.Error):
                    if any(word in argument for argument in child.cmdline()):
                        found.append(child)
        return found

    def kill(self) -> None:
        """Ends the studio's own process at once, and nothing below it."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def end(self) -> int:
        """Ends it as Ctrl-C does, and returns its exit status; kills it where that takes a minute.

        Raises:
            CommandFailed: it ended, and something that it had started did not; that is killed then.
        """
        if self._process is None:
            return 0
        below = self.children()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            status = self._process.wait(_ENDING_SECONDS)
            _require_ended(below)
            return status
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL
        finally:
            for child in below:
                with suppress(psutil.NoSuchProcess):
                    child.kill()

    def __enter__(self) -> RunningStudio:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(*([] if error is None else [CommandFailed])):
            self.end()

    def _await(self, word: str) -> None:
        deadline, line = time.monotonic() + _PATIENCE_SECONDS, _ADDRESS.format(word=word)
        while not re.search(line, self.log[self._said :]):
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                raise CommandFailed(f"the studio did not come to its line {word!r}: {self.log[-3000:]}")
            time.sleep(0.05)


def lives(process: psutil.Process) -> bool:
    """Whether it still does anything."""
    with suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def _require_ended(processes: Sequence[psutil.Process]) -> None:
    deadline = time.monotonic() + _ENDED_WITH_IT_SECONDS
    while (left := [each for each in processes if lives(each)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    if left:
        raise CommandFailed(f"the studio ended, and left behind: {', '.join(map(str, left))}")
