"""How a command says that something takes long."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext

from rich.console import Console
from rich.markup import escape

from launch.printing import PlainConsole


@contextlib.contextmanager
def working(console: Console, text: str) -> Iterator[None]:
    """Says what takes long: a spinner on a terminal, else one line."""
    if console.is_terminal:
        with console.status(escape(text)):
            yield
    else:
        console.print(f"{text} …", highlight=False, markup=False, soft_wrap=True)
        yield


def asking(uri: str) -> AbstractContextManager[None]:
    """Says that a bucket is being asked, which may take seconds where it does not answer; a disk answers at once."""
    return working(PlainConsole(stderr=True), f"asking for {uri}") if "://" in uri else nullcontext()
