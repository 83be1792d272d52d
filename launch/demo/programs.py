"""Programs that a demonstration runs side by side, each with its lines under its name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console

PATIENCE_SECONDS = 300.0
_LOOK_SECONDS = 0.1
_END_SECONDS = 60.0
_FORCE_A_TERMINAL = ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")


class DemoFailed(Exception):  # noqa: N818 - what happened, and it names no error of the program
    """The demonstration could not go on; its text says why."""


class Programs:
    """Modules of Python run as programs; all are ended on leaving, in the reverse of their order.

    Args:
        console: shows what they write on standard error.
        shown: makes of a program's name and its line what is shown; "" where nothing is.
    """

    def __init__(self, console: Console, shown: Callable[[str, str], str]) -> None:
        self._console = console
        self._shown = shown
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._lines: dict[str, list[str]] = {}
        self._relays: list[threading.Thread] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in reversed(list(self._running)):
            self.end(name)
        for relay in self._relays:
            relay.join(_END_SECONDS)

    def start(self, name: str, module: str, *arguments: object, environment: Mapping[str, str] | None = None) -> None:
        """Begins a program, with some variables besides those of this one."""
        inherited = {key: value for key, value in os.environ.items() if key not in _FORCE_A_TERMINAL}
        program = subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=inherited | {"PYTHONUNBUFFERED": "1"} | dict(environment or {}),
        )
        self._running[name], self._lines[name] = program, []
        relay = threading.Thread(target=self._relay, args=[name, program], name=name, daemon=True)
        relay.start()
        self._relays.append(relay)

    def end(self, name: str) -> int:
        """Asks a program to end, as a service manager does; its exit code."""
        program = self._running.pop(name)
        if program.poll() is None:
            program.send_signal(signal.SIGTERM)
        try:
            return program.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            program.kill()
            return program.wait()

    def lines(self, name: str) -> Sequence[str]:
        """What a program wrote on standard error so far."""
        return tuple(self._lines[name])

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Waits for something.

        Raises:
            DemoFailed: it does not come, or a program ended before.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            for name, program in self._running.items():
                if program.poll() is not None:
                    raise DemoFailed(f"{name} ended early with exit code {program.returncode}")
            if time.monotonic() > deadline:
                raise DemoFailed(f"waited {PATIENCE_SECONDS:.0f} s for {what}")
            time.sleep(_LOOK_SECONDS)

    def _relay(self, name: str, program: subprocess.Popen[str]) -> None:
        assert program.stderr is not None
        for line in program.stderr:
            self._lines[name].append(line.rstrip())
            if text := self._shown(name, line.rstrip()):
                self._console.print(f"   {text}", markup=False, soft_wrap=True)


def run_verb(*arguments: object) -> str:
    """Calls `hotswap` to its end; what it says on standard output.

    Raises:
        DemoFailed: it failed.
    """
    done = subprocess.run(
        [sys.executable, "-m", "launch.cli", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise DemoFailed(f"hotswap {' '.join(map(str, arguments[:2]))} failed: {said[-1] if said else 'silently'}")
    return done.stdout
