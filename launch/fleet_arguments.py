"""The arguments that the verbs about a fleet have in common."""

from __future__ import annotations

from typing import Annotated

import typer

Database = Annotated[
    str,
    typer.Option(metavar="URL", help="The fleet's: a file (SQLite), sqlite:///FILE, or postgresql://HOST/NAME."),
]
