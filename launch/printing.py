"""What people read on their terminals: whatever strangers named stays on its line and moves no cursor."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from models.printable import printable


class PlainConsole(Console):
    """A console that shows every string as `printable`, in tables and panels too."""

    def render_str(self, text: str, **settings: Any) -> Text:
        return super().render_str(printable(text), **settings)


def say(line: str, *, stderr: bool = False) -> None:
    """Prints one line, on standard output or standard error."""
    print(printable(line), file=sys.stderr if stderr else sys.stdout)
