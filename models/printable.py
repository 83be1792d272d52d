"""Text of strangers (names of files and objects, what their models say) as it is shown and logged: on one line, inert.

A terminal obeys what it is told: a name with an escape sequence in it could write what it likes over what was said.
"""

from __future__ import annotations

import json
import logging


def printable(text: str) -> str:
    """The text with what cannot be printed as escapes (`\\n`, `\\x1b`, `\\u2028`); unchanged where there is nothing."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def json_text(value: object, indent: int | None = None) -> str:
    """A value as JSON, on one line unless it is indented: what cannot be printed is escaped, other letters are not.

    JSON allows U+2028, U+0085 and the like as they are, where many programs see the end of a line.
    """
    separators = (",", ":") if indent is None else None
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\n" else json.dumps(each)[1:-1] for each in text)


def logger(name: str) -> logging.Logger:
    """The logger of a module, whose messages show whatever is put into them as `printable`."""
    named = logging.getLogger(name)
    named.addFilter(_show_printable)
    return named


def _show_printable(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(each if isinstance(each, int | float) else printable(str(each)) for each in record.args)
    return True
