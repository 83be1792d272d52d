"""`hotswap trial`: how a new model fares while it is tried, and what a person says about it.

Each command is a module of this package, imported only when it is called.
"""

from __future__ import annotations

import typer

from launch.lazy_commands import lazy_commands

SUMMARIES = {
    "status": "Tell which model is tried, and how it fares.",
    "report": "Write all that is known of a trial into one page.",
    "promote": "Have the new model answer everything now.",
    "abort": "End the trial; the old model stays.",
    "retry": "Let a model that was rolled back be tried again.",
}
"""The commands, each a module of this package with one Typer application `app`; in the order of their use."""

app = typer.Typer(
    cls=lazy_commands("launch.commands.trial", "hotswap trial", SUMMARIES), add_completion=False, no_args_is_help=True
)


@app.callback()
def trial() -> None:
    """Tells of the trial of a new model, and ends it by hand. `--trial` of a job or server says how models are tried.

    All of them read and write the registry of the model folder: give PATTERN and --registry as its readers have them.
    """
