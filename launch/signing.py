"""The options by which verbs sign what they release."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from launch.command_line import CommandRefused
from models.signatures.signer import Signer

SignKey = Annotated[
    Path | None, typer.Option(metavar="KEY", help="Sign it with a private key, in PEM, of the curve prime256v1 say.")
]
Certificates = Annotated[
    list[Path] | None,
    typer.Option(help="With --sign: the key's certificate, then those that lead to an authority; repeatable."),
]
_PASSWORD_VARIABLE = "HOTSWAP_SIGN_PASSWORD"  # noqa: S105 - its name


def signer_of(key: Path | None, certificates: Sequence[Path]) -> Signer | None:
    """Who signs; None where nobody does.

    Raises:
        CommandRefused: options that do not go together.
        KeyUnusable: see `Signer`.
    """
    if key is None:
        if certificates:
            raise CommandRefused("--certificate goes with --sign KEY alone")
        return None
    return Signer(key, certificates, lambda: _password(key))


def _password(key: Path) -> str:
    """Of an encrypted key: from the environment, else from the terminal."""
    given = os.environ.get(_PASSWORD_VARIABLE)
    if given is None and not sys.stdin.isatty():
        raise CommandRefused(f"{key} is encrypted: set {_PASSWORD_VARIABLE}, or run this on a terminal, which asks")
    return typer.prompt(f"password of {key}", hide_input=True, err=True) if given is None else given
