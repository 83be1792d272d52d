"""Options that name a file or a folder."""

from __future__ import annotations

from pathlib import Path

import typer


def named_path(text: str) -> Path:
    """What was typed as a path; an empty one would be the current directory, which a script with a variable that is not
    set does not mean.

    Raises:
        typer.BadParameter: it is empty.
    """
    if not text:
        raise typer.BadParameter("it is empty; name one, or leave the option out")
    return Path(text)
