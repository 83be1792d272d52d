"""`hotswap bench`: measures the job against Beam's stock handler and against the bare machine."""

from __future__ import annotations

import os
import subprocess
import sys

import typer

from launch.code_version import ROOT
from launch.command_line import CommandRefused

app = typer.Typer(add_completion=False)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def bench(context: typer.Context) -> int:
    """Measures the job: `python -m benchmarks` of the checkout, with the same options."""
    if not (ROOT / "benchmarks" / "__main__.py").is_file():
        raise CommandRefused("hotswap bench runs from a checkout of the project: `git clone` it, then `make bench`")
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "benchmarks", *context.args]
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}) as measuring:
        while True:
            try:
                return measuring.wait()
            except KeyboardInterrupt:  # it was interrupted too, and tidies up before it ends
                continue
