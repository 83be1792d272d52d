"""The panel of a local run, read off the screen that a terminal would show."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from beam_pipeline.books import Books
from launch.local.progress import Moment, progress
from launch.local.result_stream import Pace
from launch.local.shared_console import SharedConsole
from models.reference import ModelReference, StatedTrial

ROOT = Path(__file__).parents[3]
EDGE = "╭"

_CONTROL = re.compile(r"\x1b\[\??(\d*)([A-Za-z])")


def screen(text: str) -> list[str]:
    """The lines of an endlessly high terminal after `text`, as far as the panel uses one."""
    lines, row, column, at = [""], 0, 0, 0
    while at < len(text):
        if control := _CONTROL.match(text, at):
            at = control.end()
            match control[2]:
                case "A":
                    row -= int(control[1] or 1)
                case "K":
                    lines[row] = ""
            continue
        character, at = text[at], at + 1
        if character == "\n":
            row += 1
            if row == len(lines):
                lines.append("")
        elif character == "\r":
            column = 0
            continue
        else:
            lines[row] = lines[row][:column].ljust(column) + character + lines[row][column + 1 :]
            column += 1
            continue
        column = 0
    return [line.rstrip() for line in lines]


def a_moment(results: int = 0, waiting_for: str = "", trial: StatedTrial | None = None) -> Moment:
    model_id = "" if waiting_for else "models/digits.h5@sha256:0123456789ab"
    return Moment(Books(results, results), model_id, 1.0, Counter(live=1), waiting_for, trial)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launch.local.progress.PANEL_SECONDS", 0.0)


@pytest.mark.usefixtures("at_once")
def test_lines_of_many_threads_leave_one_panel() -> None:
    written = io.StringIO()
    console = SharedConsole(force_terminal=True, file=written, width=70, height=40, _environ={})

    def talk(name: str) -> None:
        for number in range(40):
            console.print(f"{name} {number}")

    threads = [threading.Thread(target=talk, args=(f"thread-{number}",)) for number in range(4)]
    with progress(Pace(), console, console.takes_panel) as report:
        for thread in threads:
            thread.start()
        for number in range(60):
            report(a_moment(number, "a model " * 20 if number % 2 else ""))
        for thread in threads:
            thread.join()
        report(a_moment(1234))
    shown = screen(written.getvalue())
    assert sum(EDGE in line for line in shown) == 1
    assert sum(line.startswith("thread-") for line in shown) == 160
    assert any("1234 results" in line for line in shown), "the last state stays"


@pytest.mark.usefixtures("at_once")
def test_the_last_moment_stays_and_the_cursor_was_never_hidden() -> None:
    written = io.StringIO()
    console = SharedConsole(force_terminal=True, file=written, width=70, height=40, _environ={})
    with pytest.raises(KeyboardInterrupt), progress(Pace(), console, console.takes_panel) as report:
        report(a_moment(7))
        raise KeyboardInterrupt
    assert any("7 results" in line for line in screen(written.getvalue()))
    assert "\x1b[?25l" not in written.getvalue()


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launch.local.progress.LINE_SECONDS", 0.0)
    written = io.StringIO()
    console = SharedConsole(force_terminal=True, file=written, width=70, _environ={"TERM": "dumb"})
    with progress(Pace(), console, console.takes_panel) as report:
        report(a_moment(7))
    assert "7 results" in written.getvalue() and EDGE not in written.getvalue()


@pytest.mark.parametrize("panel", [True, False])
@pytest.mark.usefixtures("at_once")
def test_it_is_told_which_model_is_on_trial_and_that_none_is(panel: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launch.local.progress.LINE_SECONDS", 0.0)
    written = io.StringIO()
    console = SharedConsole(force_terminal=panel, file=written, width=100, height=40, _environ={})
    trial = StatedTrial(7, ModelReference("/models/digits-2.h5", "ab" * 32), "canary", 0.05)
    with progress(Pace(), console, panel) as report:
        report(a_moment(7, trial=trial))
        told = "digits-2.h5@sha256:abababababab (canary 5%)"
        assert told in written.getvalue()
        before = len(written.getvalue())
        report(a_moment(8))
    assert told not in written.getvalue()[before:]


def on_a_terminal(program: str) -> str:
    """What a module, run as a program, writes to its terminal."""
    terminal, own = pty.openpty()
    environment = os.environ | {"COLUMNS": "80", "LINES": "40", "TERM": "xterm"}
    run = subprocess.Popen(
        [sys.executable, "-m", program], stdin=own, stdout=own, stderr=own, cwd=ROOT, env=environment
    )
    os.close(own)
    written = b""
    try:
        while chunk := os.read(terminal, 65536):
            written += chunk
    except OSError:  # the last one who had the terminal open is gone
        pass
    os.close(terminal)
    assert run.wait(60) == 0, written.decode()
    return written.decode()


def test_what_libraries_write_past_the_console_leaves_one_panel() -> None:
    shown = screen(on_a_terminal("tests.launch.local.strays"))
    assert sum(EDGE in line for line in shown) == 1
    for line in ("stray from C++", "printed", "warned"):
        assert shown.count(line) == 5
    assert shown[-2:] == ["afterwards", ""]
