"""`hotswap doctor`: what a machine needs to run this project, checked one by one, each with its remedy."""

from __future__ import annotations

import contextlib

import typer
from rich.markup import escape

from launch.command_line import FAILED, OK
from launch.doctor import checks
from launch.printing import PlainConsole
from launch.waiting import working

app = typer.Typer(add_completion=False)

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@app.command()
def doctor() -> int:
    """Checks what this machine needs: packages, vetting, cache, disk, credentials, emulators."""
    console, stderr = PlainConsole(), PlainConsole(stderr=True)
    failed = False
    for title, check in checks.CHECKS.items():
        with working(stderr, f"checking {title}") if stderr.is_terminal else contextlib.nullcontext():
            findings = list(check())
        for finding in findings:
            failed |= finding.level == "fail"
            remedy = f" → {finding.remedy}" if finding.remedy else ""
            line = f"[{_STYLES[finding.level]}]{finding.level:<5}[/]{escape(finding.what + remedy)}"
            console.print(line, highlight=False, soft_wrap=True)
    return FAILED if failed else OK
