"""Patterns of object names, which mean what they mean to Beam's FileSystems."""

from __future__ import annotations

import glob
import re

_TOKEN = re.compile(r"\*\*|[*?]|\[!?\]?[^\]]*\]|.", re.DOTALL)


def matcher(pattern: str) -> re.Pattern[str]:
    """What matches whole addresses: `*` and `?` as in a shell, `**` crosses folders, `[…]` and `[!…]` are sets.

    The same as `apache_beam.io.filesystem.FileSystem.translate_pattern`, without importing Beam.
    """
    return re.compile("".join(map(_as_regex, _TOKEN.findall(pattern))) + r"\Z", re.DOTALL | re.MULTILINE)


def literally(address: str) -> str:
    """The pattern that matches this address alone, whatever characters it has."""
    return glob.escape(address)


def _as_regex(token: str) -> str:
    match token:
        case "**":
            return ".*"
        case "*":
            return r"[^/\\]*"
        case "?":
            return "."
    if token[0] != "[" or token in ("[", "[]", "[!]"):
        return re.escape(token)
    inner = token[1:-1].replace("\\", "\\\\").replace("[", r"\[")
    if inner[0] == "!":
        inner = "^" + inner[1:]
    elif inner[0] == "^":
        inner = "\\" + inner
    return f"[{inner}]"
